package cli

import (
	"github.com/spf13/cobra"
)

func newPolicy(e Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "List, test and try out policies",
		Long: `Policies are rules of contain's library, rules of your own, and Gatekeeper's
ConstraintTemplates and Constraints. contain build judges by them what admission
would; these commands are about the policies themselves.`,
		SuggestionsMinimumDistance: 2,

		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyList(e), newPolicyImpact(e), newPolicyTest(e), newPolicyVerify(e), newPolicyPull(e))
	for _, sub := range c.Commands() {
		positional(sub)
	}
	return c
}

// ended is how a command ends that printed what it found: err is trouble with
// printing.
func ended(err error, failed bool) error {
	switch {
	case err != nil:
		return environmentError{err}
	case failed:
		return errFindings
	}
	return nil
}
