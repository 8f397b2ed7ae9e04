"""Search: projects, people, organizations and sessions by what they are called and what they say."""
