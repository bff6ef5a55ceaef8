package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/openstack/fuxi/providers/simulator"
)

// machines reads what --server says.
func machines(words []string) ([]simulator.Server, error) {
	var all []simulator.Server
	for _, word := range words {
		s, err := machine(word)
		if err != nil {
			return nil, fmt.Errorf("--server %s: %w", word, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func machine(word string) (s simulator.Server, err error) {
	fields := strings.Split(word, ",")
	s.ID = strings.ToLower(fields[0])
	if _, err := uuid.Parse(s.ID); err != nil {
		return s, fmt.Errorf("the id is a uuid: %w", err)
	}
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "name":
			s.Name = value
		case "max-disks":
			s.MaxDisks, err = strconv.Atoi(value)
		case "console":
			s.Console, err = filepath.Abs(value)
		case "path":
			s.From, s.To, _ = strings.Cut(value, ":")
		default:
			err = fmt.Errorf("%q is none of name, max-disks, console, path", key)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}
