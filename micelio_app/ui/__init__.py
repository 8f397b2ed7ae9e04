"""What pages are made of: functions from values or Vars to elements, and nothing that knows a State.

Their look is in `assets/components.css`; `look.md`'s table of parts names the classes.
"""
