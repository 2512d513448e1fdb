package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// channelKinds are the kinds of channels (schema/channels.cue).
var channelKinds = []string{"slack", "msteams", "pagerduty", "opsgenie", "webhook", "email"}

const findingNotify = "teams/notify"

// channels checks that each channel is of one kind, and that what is told to
// channels by Flux can be told by it.
func (c *checker) channels() {
	for _, n := range slices.Sorted(maps.Keys(c.p.Channels)) {
		c.exactlyOne(c.p.Channels[n], "kind", channelKinds, "platform", "channels", n)
	}
	c.fluxNotify(c.p.Components, "platform")
	for _, e := range slices.Sorted(maps.Keys(c.p.Environments)) {
		c.fluxNotify(c.p.Environments[e].Components, "platform", "environments", e)
	}
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.fluxNotify(c.p.Clusters[n].Components, "platform", "clusters", n)
	}
	for _, t := range slices.Sorted(maps.Keys(c.p.Teams)) {
		for i, ch := range c.p.Teams[t].Notify {
			c.fluxChannel(ch, "platform", "teams", t, "notify", strconv.Itoa(i))
		}
	}
}

// fluxNotify checks what one layer says of flux' notify.
func (c *checker) fluxNotify(components map[string]Override, layer ...string) {
	var notify []string
	if json.Unmarshal(components["flux"].Values["notify"], &notify) != nil {
		return // nothing is said
	}
	for i, ch := range notify {
		c.fluxChannel(ch, append(slices.Clone(layer), "components", "flux", "values", "notify", strconv.Itoa(i))...)
	}
}

// fluxChannel checks a channel that Flux is to tell.
func (c *checker) fluxChannel(name string, path ...string) {
	if !c.channel(name, path...) {
		return
	}
	const hint = "name a channel of another kind; %s is for alerts of tenants and stacks"
	if _, email := c.p.Channels[name]["email"]; email {
		c.add(findingNotify, fmt.Sprintf("Flux sends no email, and channel %q is email alone", name), fmt.Sprintf(hint, "email"), path...)
	}
	// notification-controller v1.9.3, docs/spec/v1beta3/providers.md, "PagerDuty":
	// the key is the Provider's spec.channel, and no Secret replaces that.
	if _, pager := c.p.Channels[name]["pagerduty"]; pager {
		c.add(findingNotify, fmt.Sprintf("Flux takes PagerDuty's key in plain text alone, and channel %q keeps it in the secret store", name), fmt.Sprintf(hint, "pagerduty"), path...)
	}
}

// channel checks that a channel exists.
func (c *checker) channel(name string, path ...string) bool {
	known := map[string]bool{}
	for n := range c.p.Channels {
		known[n] = true
	}
	c.ref("channel", name, known, path...)
	return known[name]
}
