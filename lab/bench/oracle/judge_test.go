package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// story builds attempts on objects of oracle-a, half a second apart each lasting 0.1 s.
type story struct{ list []Attempt }

func (s *story) add(sec float64, op Op, name, value, uid string, rv int64, outcome Outcome) *story {
	s.list = append(s.list, Attempt{Seq: len(s.list) + 1, Start: at(sec), End: at(sec + 0.1), Op: op,
		Namespace: "oracle-a", Name: name, Value: value, UID: uid, Revision: rv, Outcome: outcome})
	return s
}

func there(objects ...string) Inventory {
	inv := Inventory{}
	for _, o := range objects {
		f := strings.Split(o, "=") // name=uid=value
		inv[Key("configmaps", "oracle-a", f[0])] = json.RawMessage(fmt.Sprintf(
			`{"metadata":{"uid":%q,"labels":{"value":%q}},"data":{"value":%q}}`, f[1], f[2], f[2]))
	}
	return inv
}

// The run: stop asked at 10 s, proven at 12 s, back at 20 s; revision 100 kept.
var sharp = Cut{Stop: at(10), Stopped: at(12), KeptRevision: 100, Back: at(20)}

func TestJudge(t *testing.T) {
	base := func() *story {
		return new(story).
			add(1, Create, "w-1", "1", "u1", 50, Acknowledged).
			add(2, Create, "w-2", "2", "u2", 60, Acknowledged).
			add(3, Update, "w-2", "3", "u2", 70, Acknowledged).
			add(13, Create, "w-3", "4", "u3", 110, Acknowledged).
			add(14, Update, "w-1", "5", "u1", 111, Acknowledged).
			add(15, Delete, "w-2", "", "u2", 0, Acknowledged).
			add(16, Create, "w-4", "6", "u4", 120, Acknowledged)
	}
	all := []Loss{{"configmaps", "oracle-a", "w-3", "created"}, {"v1/configmaps", "oracle-a", "w-1", "changed"},
		{"ConfigMap", "oracle-a", "w-2", "deleted"}, {"configmaps", "oracle-a", "w-4", "created"}}
	kept := there("w-1=u1=1", "w-2=u2=3")
	soft := Cut{Stop: at(10), Stopped: at(12), Back: at(20)}
	for _, c := range []struct {
		name   string
		story  *story
		cut    Cut
		after  Inventory
		losses []Loss
		want   string // part of the only violation; empty for a pass
	}{
		{"exact way back", base(), sharp, kept, all, ""},
		{"exact way back by time", base(), soft, kept, all, ""},
		{"a kept object is missing", base(), sharp, there("w-2=u2=3"), all, "w-1: is absent"},
		{"a kept object is older", base(), sharp, there("w-1=u1=1", "w-2=u2=2"), all, "w-2: is value 2"},
		{"a kept object has another uid", base(), sharp, there("w-1=u9=1", "w-2=u2=3"), all, "w-1: is value 1 (uid u9)"},
		{"a later write is still there", base(), sharp, there("w-1=u1=5", "w-2=u2=3"), all, "w-1: is value 5"},
		{"a loss is not reported", base(), sharp, kept, all[1:], "w-3: was created after the stop"},
		{"a delete is not reported", base(), sharp, kept, []Loss{all[0], all[1], all[3]}, "w-2: was deleted after the stop"},
		{"a loss is misnamed", base(), sharp, kept, append([]Loss{{"configmaps", "oracle-a", "w-3", "changed"}}, all[1:]...), "lists it as changed"},
		{"a false loss", base().add(2.5, Create, "w-5", "7", "u5", 65, Acknowledged), sharp,
			there("w-1=u1=1", "w-2=u2=3", "w-5=u5=7"), append([]Loss{{"configmaps", "oracle-a", "w-5", "changed"}}, all...), "nothing of it was lost"},
		{"an object from nowhere", base(), sharp, there("w-1=u1=1", "w-2=u2=3", "w-9=u9=9"), all, "w-9: nobody wrote it"},
		{"no cut: all must be there", base(), Cut{}, there("w-1=u1=5", "w-3=u3=4", "w-4=u4=6"), nil, ""},
		{"no cut: one is missing", base(), Cut{}, there("w-1=u1=5", "w-3=u3=4"), nil, "w-4: is absent"},
		{"unanswered, not there", base().add(16.5, Create, "w-6", "8", "", 0, Unanswered), sharp, kept, all, ""},
		{"unanswered before the stop, there", base().add(9.95, Create, "w-6", "8", "", 0, Unanswered), sharp,
			there("w-1=u1=1", "w-2=u2=3", "w-6=u6=8"), all, ""},
		{"unanswered update, applied", base().add(4, Create, "w-6", "7", "u6", 80, Acknowledged).add(9.95, Update, "w-6", "8", "u6", 0, Unanswered),
			sharp, there("w-1=u1=1", "w-2=u2=3", "w-6=u6=8"), all, ""},
		{"unanswered update, not applied", base().add(4, Create, "w-6", "7", "u6", 80, Acknowledged).add(9.95, Update, "w-6", "8", "u6", 0, Unanswered),
			sharp, there("w-1=u1=1", "w-2=u2=3", "w-6=u6=7"), all, ""},
		{"unanswered update, object gone", base().add(4, Create, "w-6", "7", "u6", 80, Acknowledged).add(9.95, Update, "w-6", "8", "u6", 0, Unanswered),
			sharp, kept, all, "w-6: is absent"},
		{"refused changes nothing", base().add(21, Update, "w-1", "9", "u1", 0, Refused), sharp, kept, all, ""},
		{"written after the way back", base().add(21, Create, "w-7", "9", "u7", 200, Acknowledged), sharp,
			there("w-1=u1=1", "w-2=u2=3", "w-7=u7=9"), all, ""},
		{"written after the way back and missing", base().add(21, Create, "w-7", "9", "u7", 200, Acknowledged), sharp,
			kept, all, "w-7: is absent"},
		{"between stop and proof, kept", base().add(11, Create, "w-8", "9", "u8", 0, Acknowledged), soft,
			there("w-1=u1=1", "w-2=u2=3", "w-8=u8=9"), all, ""},
		{"between stop and proof, reported", base().add(11, Create, "w-8", "9", "u8", 0, Acknowledged), soft,
			kept, append([]Loss{{"configmaps", "oracle-a", "w-8", "created"}}, all...), ""},
		{"between stop and proof, on neither side", base().add(11, Create, "w-8", "9", "u8", 0, Acknowledged), soft,
			kept, all, "w-8: "},
		{"made and deleted by the abandoned version", base().add(17, Create, "w-8", "9", "u8", 130, Acknowledged).
			add(18, Delete, "w-8", "", "u8", 0, Acknowledged), sharp, kept, all, ""},
		{"made and deleted by the abandoned version, and said", base().add(17, Create, "w-8", "9", "u8", 130, Acknowledged).
			add(18, Delete, "w-8", "", "u8", 0, Acknowledged), sharp, kept, append([]Loss{{"configmaps", "oracle-a", "w-8", "came-and-went"}}, all...), ""},
		{"a deleted object passed off as one that came and went", base(), sharp, kept,
			[]Loss{all[0], all[1], {"configmaps", "oracle-a", "w-2", "came-and-went"}, all[3]}, "lists it as came-and-went, it was deleted"},
		{"a kept object said to have come and gone", base().add(2.5, Create, "w-5", "7", "u5", 65, Acknowledged), sharp,
			there("w-1=u1=1", "w-2=u2=3", "w-5=u5=7"), append([]Loss{{"configmaps", "oracle-a", "w-5", "came-and-went"}}, all...), "nothing of it was lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			slices.SortStableFunc(c.story.list, func(a, b Attempt) int { return a.Start.Compare(b.Start) })
			v := Judge(Evidence{Attempts: c.story.list, Cut: c.cut, After: c.after, Losses: c.losses})
			switch {
			case c.want == "" && !v.OK():
				t.Fatal(v)
			case c.want != "" && (len(v.Violations) != 1 || !strings.Contains(v.Violations[0], c.want)):
				t.Fatalf("want one violation with %q, have: %s", c.want, v)
			}
		})
	}
}

func TestJudgeComparesTheRest(t *testing.T) {
	before := Inventory{"nodes n1": json.RawMessage(`{"spec":{"podCIDR":"10.42.0.0/24"}}`), "secrets default/a": json.RawMessage(`{"data":{"k":"v"}}`)}
	after := Inventory{"nodes n1": json.RawMessage(`{"spec":{"podCIDR":"10.42.0.0/24","new":1}}`), "secrets default/a": json.RawMessage(`{"data":{"k":"w"}}`)}
	v := Judge(Evidence{Before: before, After: after})
	if len(v.Violations) != 2 {
		t.Fatalf("a changed and an extended object: %s", v)
	}
	v = Judge(Evidence{Before: before, After: after, Upgraded: true})
	if len(v.Violations) != 1 || !strings.Contains(v.Violations[0], `secrets default/a: data.k: "v" → "w"`) {
		t.Fatalf("an upgrade may extend, not change: %s", v)
	}
}

func TestAnUpgradeMayReconcileWhatTheServerOwns(t *testing.T) {
	role := func(uid, own, verbs string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{"rbac.authorization.kubernetes.io/autoupdate":%q}},"rules":[%q]}`, uid, own, verbs))
	}
	flow := func(own string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":%q}}}`, own))
	}
	for _, c := range []struct {
		name          string
		before, after json.RawMessage
		upgraded, ok  bool
	}{
		{"a default role, reconciled", role("u", "true", "get"), role("u", "true", "list"), true, true},
		{"a role of a user, changed", role("u", "false", "get"), role("u", "false", "list"), true, false},
		{"a default role, made anew", role("u", "true", "get"), role("v", "true", "get"), true, false},
		{"a default role, gone", role("u", "true", "get"), nil, true, false},
		{"a flow schema of the server, gone", flow("true"), nil, true, true},
		{"a flow schema of a user, gone", flow("false"), nil, true, false},
		{"a flow schema of the server, gone after a way back", flow("true"), nil, false, false},
		{"a default role, changed by a way back", role("u", "true", "get"), role("u", "true", "list"), false, false},
	} {
		after := Inventory{}
		if c.after != nil {
			after["clusterroles x"] = c.after
		}
		v := Judge(Evidence{Before: Inventory{"clusterroles x": c.before}, After: after, Upgraded: c.upgraded})
		if v.OK() != c.ok {
			t.Errorf("%s: %s", c.name, v)
		}
	}
}

func TestAnAttemptWithoutEndIsUnanswered(t *testing.T) {
	list, err := ReadLog(strings.NewReader(`{"seq":1,"op":"create","namespace":"a","name":"x"}
{"seq":1,"op":"create","namespace":"a","name":"x","outcome":"acknowledged","rv":7}
{"seq":2,"op":"create","namespace":"a","name":"y"}
`))
	if err != nil || len(list) != 2 || list[0].Outcome != Acknowledged || list[0].Revision != 7 || list[1].Outcome != Unanswered {
		t.Fatalf("%+v, %v", list, err)
	}
}
