"""Pushes: the commits that were pushed for an open session."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "session_commits",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("sha1", sa.String(), nullable=False),
        sa.Column("change_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="session_commits_session_id_fkey"),
        sa.PrimaryKeyConstraint("session_id", "number"),
    )
    with op.batch_alter_table("session_commits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_commits_sha1"), ["sha1"], unique=False)
        batch_op.create_index(batch_op.f("ix_session_commits_change_id"), ["change_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("session_commits")
