package store

import (
	"encoding/json"
	"fmt"
	"maps"
)

// Table is one kind of record, kept whole in memory and written through to its
// bucket. Records are never changed in place: a change puts a fresh copy, so a
// reader may keep a record it was given without holding any lock. The table
// itself is not safe for concurrent use; its owner's lock guards it.
type Table[T any] struct {
	bucket  string
	rows    map[string]*T
	staged  map[string]*T
	changed func(before, after *T)
}

// Load reads a table from its bucket. The changed function, when given, is
// called for each record read and after each later commit with the record's
// former and new value (nil when there is none): the place to keep an index.
func Load[T any](s *Store, bucket string, changed func(before, after *T)) (*Table[T], error) {
	if changed == nil {
		changed = func(_, _ *T) {}
	}
	t := &Table[T]{bucket: bucket, rows: map[string]*T{}, staged: map[string]*T{}, changed: changed}
	err := s.each(bucket, func(key, value []byte) error {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil {
			return fmt.Errorf("read %s/%s: %w", bucket, key, err)
		}
		t.rows[string(key)] = record
		changed(nil, record)
		return nil
	})
	return t, err
}

// Get returns the record with this key, a staged one before a committed one,
// or nil.
func (t *Table[T]) Get(key string) *T {
	if record, ok := t.staged[key]; ok {
		return record
	}
	return t.rows[key]
}

// Put stages a record under a key. The caller must not change it afterwards.
func (t *Table[T]) Put(key string, record *T) { t.staged[key] = record }

// Delete stages the removal of a key.
func (t *Table[T]) Delete(key string) { t.staged[key] = nil }

// Rows returns the committed records by key, in no order. The caller must not
// change the map.
func (t *Table[T]) Rows() map[string]*T { return t.rows }

func (t *Table[T]) ops() ([]op, error) {
	ops := make([]op, 0, len(t.staged))
	for key, record := range t.staged {
		if record == nil {
			ops = append(ops, op{bucket: t.bucket, key: key})
			continue
		}
		o, err := encode(t.bucket, key, record)
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}

func (t *Table[T]) settle() {
	staged := maps.Clone(t.staged)
	clear(t.staged)
	for key, after := range staged {
		before := t.rows[key]
		if after == nil {
			delete(t.rows, key)
		} else {
			t.rows[key] = after
		}
		if before != nil || after != nil {
			t.changed(before, after)
		}
	}
}

func (t *Table[T]) discard() { clear(t.staged) }

// Staged is a table seen by Commit and Discard.
type Staged interface {
	ops() ([]op, error)
	settle()
	discard()
}

// Commit writes what is staged in all tables in one transaction and then makes
// it visible. On error nothing is written and nothing stays staged.
func (s *Store) Commit(tables ...Staged) error {
	var all []op
	for _, t := range tables {
		ops, err := t.ops()
		if err != nil {
			Discard(tables...)
			return err
		}
		all = append(all, ops...)
	}
	if len(all) == 0 {
		return nil
	}
	if err := s.write(all); err != nil {
		Discard(tables...)
		return err
	}
	for _, t := range tables {
		t.settle()
	}
	return nil
}

// Discard forgets what is staged in all tables.
func Discard(tables ...Staged) {
	for _, t := range tables {
		t.discard()
	}
}
