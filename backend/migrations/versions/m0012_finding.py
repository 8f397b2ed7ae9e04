"""Finding: what landed lately, anywhere and by somebody, is found without reading every landing."""

from alembic import op

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("landings_by_time", "landings", ["at"], unique=False)
    op.create_index("landings_of_author", "landings", ["author", "at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index("landings_of_author", table_name="landings")
    op.drop_index("landings_by_time", table_name="landings")
