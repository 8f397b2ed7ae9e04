"""Moving: where projects were before, and when they were deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "former_addresses",
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="former_addresses_project_id_fkey"),
        sa.PrimaryKeyConstraint("organization", "handle"),
    )
    with op.batch_alter_table("former_addresses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_former_addresses_project_id"), ["project_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("former_addresses")
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")
