"""Numbers as people read them."""

NOTHING = "\u2013"  # where there is no number


def duration(seconds: float) -> str:
    """Say a time span with one or two units: ``8 s``, ``12 min``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 59.5:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def rate(per_minute: float) -> str:
    """Say how many tasks are finished in a time: ``41 a minute``, or ``18 an hour`` when they are slow."""
    if per_minute >= 9.5:
        return f"{thousands(round(per_minute))} a minute"
    if per_minute >= 1:
        return f"{per_minute:.1f} a minute"
    return f"{per_minute * 60:.0f} an hour"


def thousands(number: int) -> str:
    """Write a number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def megabytes(size: float) -> str:
    """Say a size in memory: ``640 MB``, ``1.3 GB``."""
    return f"{size / 1e6:.0f} MB" if size < 999.5e6 else f"{size / 1e9:.1f} GB"


def percent(share: float | None) -> str:
    """Say a share: ``78 %``; a dash where there is none."""
    return NOTHING if share is None else f"{100 * share:.0f} %"


def decimal(number: float | None) -> str:
    """Write a number with two digits after the point; a dash where there is none."""
    return NOTHING if number is None else f"{number:.2f}"


def plural(count: int, noun: str) -> str:
    """Say how many there are: ``1 task``, ``12 tasks``."""
    return f"{thousands(count)} {noun}{'' if count == 1 else 's'}"


FILTERS = {
    "duration": duration, "rate": rate, "thousands": thousands, "megabytes": megabytes, "plural": plural,
    "percent": percent, "decimal": decimal,
}  # fmt: skip
