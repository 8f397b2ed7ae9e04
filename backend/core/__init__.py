"""The core: configuration, database, operations, facts, jobs, bell. No domain word in here."""
