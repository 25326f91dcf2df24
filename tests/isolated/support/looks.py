"""What a watch looks at besides, by the word that cases have for it: the options of conc.watch()."""

OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "where": {"where": True},
    "children": {"children": True},
    "both": {"where": True, "children": True},
}
