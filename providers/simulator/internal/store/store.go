// Package store keeps the simulated cloud's records in one file.
//
// bbolt was chosen over a log of our own because it needs no compaction, opens
// at once whatever its history, and holds a lock that shows a second process
// the door. It runs without fsync: what a write has returned survives a killed
// process, because the kernel holds the pages, but not a power cut. A simulated
// cloud promises no more.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// lockWait is how long Open waits for another process to let go of the file.
// Long enough for a predecessor that is just exiting, short enough to feel
// immediate.
const lockWait = 200 * time.Millisecond

// ErrLocked says that another process has the database open.
var ErrLocked = errors.New("the directory is in use by another fuxi-sim")

// Store is an open database. Its methods may be called concurrently.
type Store struct {
	db *bbolt.DB
}

// Open opens the database at path, creating it when absent (mode 0600). It
// returns ErrLocked within a fraction of a second when another process has it.
func Open(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        lockWait,
		NoSync:         true,
		NoGrowSync:     true,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Store{db: db}, nil
}

// Close releases the file and its lock.
func (s *Store) Close() error { return s.db.Close() }

// op is one change: a nil value deletes the key.
type op struct {
	bucket string
	key    string
	value  []byte
}

// write applies all operations or none.
func (s *Store) write(ops []op) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, o := range ops {
			if err := apply(tx, o); err != nil {
				return fmt.Errorf("write %s/%s: %w", o.bucket, o.key, err)
			}
		}
		return nil
	})
}

func apply(tx *bbolt.Tx, o op) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(o.bucket))
	if err != nil {
		return err
	}
	if o.value == nil {
		return bucket.Delete([]byte(o.key))
	}
	return bucket.Put([]byte(o.key), o.value)
}

// each calls fn for every record of a bucket, in key order.
func (s *Store) each(bucket string, fn func(key, value []byte) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(fn)
	})
}

func encode(bucket, key string, record any) (op, error) {
	value, err := json.Marshal(record)
	if err != nil {
		return op{}, fmt.Errorf("encode %s/%s: %w", bucket, key, err)
	}
	return op{bucket: bucket, key: key, value: value}, nil
}
