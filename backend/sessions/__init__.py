"""Sessions: a goal, the conversation, the decisions, the changes, and how they land.

A session is a record in SQL while it is open. Everything said or done in it is an event;
its changes are staged objects in the project's store. Landing appends it to the log, and
from then on its rows are a projection of what the log says.
"""
