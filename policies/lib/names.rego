# METADATA
# title: Patterns of names
package lib.names

# matches tells whether name is one of the patterns; a trailing * matches any
# rest.
matches(name, patterns) if name in patterns

matches(name, patterns) if {
	some pattern in patterns
	endswith(pattern, "*")
	startswith(name, trim_suffix(pattern, "*"))
}
