// Package conformance is a table of requests and the answers that a cloud gives
// to them. It runs against a real Keystone, Cinder and Manila, whose answers are
// kept in testdata, and against the simulator, which must give the same: whoever
// tests against the simulator has then tested against what the real one does.
package conformance

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// Login is an account with a role on one project.
type Login struct {
	User, Password, Project, Domain string
}

// Credential is an application credential of the member.
type Credential struct {
	ID, Name, Secret string
}

// Cloud is where the table runs and with whom.
type Cloud struct {
	AuthURL string // Keystone's, with /v3
	Region  string
	Zone    string
	// Member owns what is made. Other is a member of another project, Admin
	// an administrator of any. Their projects should be used by nobody else:
	// the table looks at lists and quotas.
	Member, Other, Admin Login
	Credential           Credential
	// Type is a volume type, Multi one that allows several attachments and
	// Target one whose volumes are iSCSI targets, or any where there is none.
	Type, Multi, Target string
	// ShareType is a share type whose shares have snapshots, of which shares can
	// be made. Where the catalog has no Manila, its stories are skipped.
	ShareType string
	// Patience is how long a state may take to come.
	Patience time.Duration
	// Real clouds may say more than was recorded where a case is partial.
	Real bool
	// Record writes the answers to testdata instead of comparing with them.
	Record bool
}

// Story is a sequence of cases that share variables. Stories are independent of
// each other and run side by side.
type Story struct {
	Name  string
	Cases []Case
}

// Case is one request and what the cloud must answer. In all texts <name> stands
// for a variable: one that the run provides, or that an earlier case of the same
// story kept.
type Case struct {
	Name string
	As   string // member unless other, admin or nobody
	// Do is method and path. A path is below the caller's endpoint of Cinder,
	// after "keystone:" below Keystone's address, after "cinder:" below the
	// address of Cinder without version and project, after "manila:" below the
	// endpoint of Manila.
	Do      string
	Version string            // microversion; 3.44 or Manila's 2.45 when empty, none for "none"
	Send    map[string]string // further headers
	Body    string            // JSON; none is sent when empty
	Status  int
	Says    string         // part of the answer's message
	Want    map[string]any // value by path: volume.status, volumes.0.id, volumes.#; "!x" is any but x, "*" any but null
	Header  map[string]string
	Keep    map[string]string // path, or header:NAME, by variable
	// Wait repeats the request until status and values are as wanted.
	Wait  bool
	After time.Duration // pause before it, where times must differ
	// Partial are places in the answer where a cloud may say more than the
	// simulator does; what the simulator says there must be as it is recorded.
	Partial []string
	// Loose leaves the message's wording to each cloud, and says why.
	Loose string
}

// Run plays the table against a cloud and compares each answer with the table
// and with the recorded one. Whatever it makes is deleted again, also after a
// failure.
func Run(t *testing.T, cloud Cloud) {
	t.Helper()
	known, err := logIn(&cloud)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, story := range Stories() {
		if names[story.Name] {
			t.Fatalf("two stories are named %s", story.Name)
		}
		names[story.Name] = true
		t.Run(story.Name, func(t *testing.T) {
			t.Parallel()
			if story.ofShares() && known.people[member].shares == "" {
				t.Skip("this cloud has no Manila")
			}
			vars := maps.Clone(known.vars)
			vars["name"] = "conformance-" + story.Name
			(&player{cloud: &cloud, people: known.people, vars: vars}).play(t, story)
		})
	}
}

// Stories returns the whole table.
func Stories() []Story {
	all := []Story{
		identity(), credentials(), tokens(), versions(),
		volumes(), createRefusals(), createEdges(), metadata(), foreign(),
		lists(), filters(), pages(), surroundings(), quotas(),
		snapshots(), clones(), extend(), extendInUse(),
		attach(), released(), attachRefusals(), attachModes(), attachLists(), multiattach(), instances(), targets(),
		resets(),
	}
	return slices.Concat(all, states(), shareStories())
}
