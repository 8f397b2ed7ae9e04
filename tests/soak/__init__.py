"""`make soak`: agents work and people watch while processes of the forge are killed; nothing may be lost."""
