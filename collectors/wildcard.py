"""The patterns of OpenSSH: `*` and `?` of ssh_config(5), section PATTERNS."""


def matches(pattern: str, text: str) -> bool:
    """Match in time linear in both lengths' product, whatever the pattern."""
    at = of = 0
    star, resume = -1, 0
    while at < len(text):
        if of < len(pattern) and pattern[of] == "*":
            star, resume = of, at
            of += 1
        elif of < len(pattern) and pattern[of] in ("?", text[at]):
            at += 1
            of += 1
        elif star >= 0:
            resume += 1
            at, of = resume, star + 1
        else:
            return False
    return all(sign == "*" for sign in pattern[of:])
