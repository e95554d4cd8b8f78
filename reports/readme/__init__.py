"""README.txt of a bundle: how to check it by hand, in Japanese and English."""

from pathlib import Path

from reports.layout import PlanHead

_HERE = Path(__file__).parent


def by_hand() -> str:
    """Return the script that checks a bundle with unzip, sha256sum and openssl."""
    return (_HERE / "by_hand.sh").read_text("utf-8")


def readme(plan: PlanHead) -> str:
    """Return the text for one run."""
    values = {
        "@SITE@": plan.site,
        "@RUN@": str(plan.run),
        "@ZIP@": f"tenken-{plan.site}-{plan.run:06d}.zip",
        "@SCRIPT@": by_hand(),
    }
    text = (_HERE / "README.txt").read_text("utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
