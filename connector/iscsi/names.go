package iscsi

import (
	"strings"

	"github.com/openstack/fuxi/connector"
)

const largestName = 223 // bytes of an iSCSI name

// isTargetName tells whether the text is a name as RFC 3720 3.2.6 has them
// (capitals, which it folds, are in use). It ends up in arguments and in paths.
func isTargetName(text string) bool {
	kind, rest, _ := strings.Cut(text, ".")
	switch {
	case len(text) > largestName || strings.Contains(text, ".."):
		return false
	case kind == "iqn":
		return isQualified(rest)
	case kind == "eui":
		return len(rest) == 16 && isHex(rest)
	case kind == "naa":
		return (len(rest) == 16 || len(rest) == 32) && isHex(rest)
	}
	return false
}

// isQualified is what follows "iqn.": a month, a domain turned round and a name
// of its owner's choice, "2010-10.org.openstack:volume-1".
func isQualified(rest string) bool {
	month, rest, _ := strings.Cut(rest, ".")
	year, month, _ := strings.Cut(month, "-")
	domain, own, named := strings.Cut(rest, ":")
	return len(year) == 4 && isDigits(year) && len(month) == 2 && isDigits(month) &&
		connector.IsPlain(domain, "", ".-") && (!named || connector.IsPlain(own, ".:_-", ""))
}

func isDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdefABCDEF") == "" }
