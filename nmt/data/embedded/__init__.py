"""The grammar behind the embedded corpus: words, their inflection, rules, and chance."""
