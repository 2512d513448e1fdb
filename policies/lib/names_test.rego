package lib.names_test

import data.lib.names

test_matches if {
	names.matches("a/b:1", ["a/b:1"])
	names.matches("a/b:1", ["a/*"])
	names.matches("a/b:1", ["*"])
	names.matches("a/b:1", ["c", "a/b*"])
}

test_no_match if {
	not names.matches("a/b:1", [])
	not names.matches("a/b:1", ["a/b"])
	not names.matches("a/b:1", ["b/*"])
	not names.matches("a/b:1", ["*1"])
}
