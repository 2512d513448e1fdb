package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/robfig/cron/v3"
	api "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/util/collections"
	"k8s.io/apimachinery/pkg/runtime"
)

// object reads one of Velero's objects by its API types, where every field has to
// be one of theirs, and asks of its contents what the controllers ask before they
// do anything (pkg/controller: parseCronSchedule, prepareBackupRequest,
// validateAndComplete of a restore).
func object(raw json.RawMessage) error {
	var about struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &about); err != nil {
		return err
	}
	if about.APIVersion != api.SchemeGroupVersion.String() {
		return fmt.Errorf("apiVersion is %q", about.APIVersion)
	}
	kinds := map[string]runtime.Object{
		"BackupStorageLocation": &api.BackupStorageLocation{},
		"Schedule":              &api.Schedule{},
		"Restore":               &api.Restore{},
	}
	o, ok := kinds[about.Kind]
	if !ok {
		return fmt.Errorf("kind is %q", about.Kind)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		return err
	}
	switch o := o.(type) {
	case *api.Schedule:
		if _, err := cron.ParseStandard(o.Spec.Schedule); err != nil {
			return err
		}
		t := o.Spec.Template
		included := t.IncludedNamespaces
		if len(included) == 0 {
			included = []string{"*"}
		}
		if errs := collections.ValidateNamespaceIncludesExcludes(included, t.ExcludedNamespaces); len(errs) > 0 {
			return errs[0]
		}
		return first(collections.ValidateIncludesExcludes(t.IncludedResources, t.ExcludedResources))
	case *api.Restore:
		s := o.Spec
		if (s.BackupName == "") == (s.ScheduleName == "") {
			return fmt.Errorf("exactly one of backupName and scheduleName is set")
		}
		if err := first(collections.ValidateIncludesExcludes(s.IncludedResources, s.ExcludedResources)); err != nil {
			return err
		}
		return first(collections.ValidateNamespaceIncludesExcludes(s.IncludedNamespaces, s.ExcludedNamespaces))
	}
	return nil
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}
