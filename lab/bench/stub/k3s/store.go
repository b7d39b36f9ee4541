package k3s

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	// The driver of kine's SQLite.
	_ "github.com/mattn/go-sqlite3"
)

// Store is a datastore as kine keeps it: one row a revision.
type Store struct {
	mu       sync.Mutex
	db       *sql.DB
	live     map[string]object
	revision int64
	// last is the latest revision of every key, of a deleted one as well.
	last map[string]int64
	// log is where acknowledged writes are noted, outside of everything that belongs to the node.
	log *os.File
	tag string
}

type object struct {
	value    map[string]any
	revision int64
}

const schema = `CREATE TABLE IF NOT EXISTS kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER,
 deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
 CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name);
 CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id);
 CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);`

// Open opens the datastore below server, or makes an empty one, as K3s does when it finds none: fresh tells.
func Open(server, tag string) (store *Store, fresh bool, err error) {
	path := filepath.Join(server, "db/state.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, err
	}
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000")
	if err != nil {
		return nil, false, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		return nil, false, fmt.Errorf("open %s: %w", path, err)
	}
	log, err := os.OpenFile(writesLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, false, err
	}
	s := &Store{db: db, live: map[string]object{}, last: map[string]int64{}, log: log, tag: tag}
	rows, err := db.Query(`SELECT k.id, k.name, k.deleted, k.value FROM kine k
		JOIN (SELECT MAX(id) AS id FROM kine GROUP BY name) m ON k.id = m.id`)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id      int64
			name    string
			deleted bool
			value   []byte
		)
		if err := rows.Scan(&id, &name, &deleted, &value); err != nil {
			return nil, false, err
		}
		s.revision = max(s.revision, id)
		s.last[name] = id
		if deleted || !strings.HasPrefix(name, "/registry/") {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, false, fmt.Errorf("row %d (%s): %w", id, name, err)
		}
		s.live[name] = object{v, id}
	}
	return s, s.revision == 0, rows.Err()
}

const writesLog = "/log/writes"

// Put writes one object and returns it with its revision.
func (s *Store) Put(key string, value map[string]any) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(key, value)
}

func (s *Store) put(key string, value map[string]any) (map[string]any, error) {
	next := s.revision + 1
	if meta, ok := value["metadata"].(map[string]any); ok {
		meta["resourceVersion"] = fmt.Sprint(next)
		if meta["uid"] == nil {
			meta["uid"] = fmt.Sprintf("uid-%d-%d", next, time.Now().UnixNano())
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if err := s.row(key, false, text); err != nil {
		return nil, err
	}
	s.live[key] = object{value, s.revision}
	return value, nil
}

// Raw writes a row that is no object.
func (s *Store) Raw(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.row(key, false, value)
}

func (s *Store) row(key string, deleted bool, value []byte) error {
	last := s.last[key]
	res, err := s.db.Exec(`INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
		VALUES(?, ?, ?, 0, ?, 0, ?, NULL)`, key, last == 0, deleted, last, value)
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	s.revision, s.last[key] = id, id
	verb := "put"
	if deleted {
		verb = "delete"
	}
	_, err = fmt.Fprintf(s.log, "%d\t%s\t%s\t%s\n", id, s.tag, verb, key)
	return err
}

// Delete removes an object; ok: there was one.
func (s *Store) Delete(key string) (map[string]any, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.live[key]
	if !ok {
		return nil, false, nil
	}
	if err := s.row(key, true, []byte("{}")); err != nil {
		return nil, false, err
	}
	delete(s.live, key)
	return old.value, true, nil
}

// Get is the live object.
func (s *Store) Get(key string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.live[key]
	return o.value, ok
}

// List is every live object below a prefix.
func (s *Store) List(prefix string) ([]map[string]any, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []map[string]any{}
	for key, o := range s.live {
		if strings.HasPrefix(key, prefix) {
			found = append(found, o.value)
		}
	}
	return found, s.revision
}
