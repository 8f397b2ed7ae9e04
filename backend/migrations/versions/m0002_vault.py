"""The vault: where a project was forked from, its upkeep, and authors who have no account here."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("forked_from", sa.String(), nullable=True))
        batch_op.create_foreign_key("projects_forked_from_fkey", "projects", ["forked_from"], ["id"])
        batch_op.create_index(batch_op.f("ix_projects_forked_from"), ["forked_from"], unique=False)
        batch_op.create_index(batch_op.f("ix_projects_pool"), ["pool"], unique=False)
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("author_handle", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("author_name", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "upkeep",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("compacted", sa.Integer(), nullable=False),
        sa.Column("collect_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("project"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("upkeep")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("author_name")
        batch_op.drop_column("author_handle")
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_projects_pool"))
        batch_op.drop_index(batch_op.f("ix_projects_forked_from"))
        batch_op.drop_constraint("projects_forked_from_fkey", type_="foreignkey")
        batch_op.drop_column("forked_from")
