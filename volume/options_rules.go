package volume

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// valueRule says which values are allowed, in words and as a test.
type valueRule struct {
	text  string
	ok    func(string) bool
	lower bool // upper and lower case mean the same
}

func oneOfRule(words ...string) valueRule {
	return valueRule{text: orWords(words), ok: func(s string) bool { return slices.Contains(words, s) }}
}

// numberRule allows plain decimal numbers: no sign, no leading zero.
func numberRule(low, high int64) valueRule {
	return valueRule{text: fmt.Sprintf("a whole number from %d to %d", low, high), ok: func(s string) bool {
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == s && n >= low && n <= high
	}}
}

// bytesRule allows numbers with an optional k, m or g. The tools check
// what fits the device.
func bytesRule() valueRule {
	return valueRule{text: "a number with an optional k, m or g", ok: func(s string) bool {
		digits := s
		if s != "" && strings.ContainsAny(s[len(s)-1:], "kKmMgG") {
			digits = s[:len(s)-1]
		}
		return numberRule(1, 1<<40).ok(digits)
	}}
}

func uuidRule() valueRule {
	return valueRule{text: "a uuid such as 3f1c2a9e-8d41-4c1b-9a3e-6f0b7c5d2e10", ok: isUUID, lower: true}
}

// textRule allows what Cinder stores in a column of 255.
func textRule() valueRule {
	return valueRule{text: "printable text of at most 255 bytes without spaces at its ends", ok: func(s string) bool {
		return s != "" && len(s) <= 255 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
			strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	}}
}

// wordRule is one entry of an allow-list of words such as noatime or commit=5.
type wordRule struct {
	word  string
	value valueRule // of word=value; without a test the word stands alone
	bare  bool      // the value may be left out
	no    string    // why the word is refused, for those a user may expect to work
}

// plainWords makes rules for words that stand alone.
func plainWords(words ...string) []wordRule {
	var rules []wordRule
	for _, w := range words {
		rules = append(rules, wordRule{word: w})
	}
	return rules
}

// refusedWords makes rules for words that are refused for one reason.
func refusedWords(why string, words ...string) []wordRule {
	var rules []wordRule
	for _, w := range words {
		rules = append(rules, wordRule{word: w, no: why})
	}
	return rules
}

// The explanation of a word no rule knows, and of one that is nearly known.
const (
	unknownWord = "is not one of those allowed"
	nearWord    = "did you mean"
)

// checkWords holds comma-separated words against an allow-list and returns what
// is wrong.
func checkWords(rules []wordRule, list []string) string {
	var seen []string
	for _, item := range list {
		if problem := checkWord(rules, item); problem != "" {
			return problem
		}
		word, _, _ := strings.Cut(item, "=")
		if slices.Contains(seen, word) {
			return fmt.Sprintf("%q is given twice", word)
		}
		seen = append(seen, word)
	}
	return ""
}

func checkWord(rules []wordRule, item string) string {
	word, value, hasValue := strings.Cut(item, "=")
	i := slices.IndexFunc(rules, func(r wordRule) bool { return r.word == item })
	if i < 0 {
		i = slices.IndexFunc(rules, func(r wordRule) bool { return r.word == word })
	}
	switch {
	case i < 0:
		allowed := allowedWords(rules)
		return fmt.Sprintf("%s %s (%s)%s", quoteShort(item), unknownWord, strings.Join(allowed, ", "), didYouMean(word, allowed))
	case rules[i].no != "":
		return fmt.Sprintf("%s is refused: %s", quoteShort(item), rules[i].no)
	case !hasValue && (rules[i].value.ok == nil || rules[i].bare):
		return ""
	case rules[i].value.ok == nil:
		return fmt.Sprintf("%q takes no value", word)
	case !hasValue || !rules[i].value.ok(value):
		return fmt.Sprintf("%s: the value must be %s", quoteShort(item), rules[i].value.text)
	}
	return ""
}

func allowedWords(rules []wordRule) []string {
	var words []string
	for _, r := range rules {
		if r.no == "" {
			words = append(words, r.word)
		}
	}
	slices.Sort(words)
	return words
}

// nearestWord returns the candidate with the fewest edits from word, "" when none
// is near enough to be a typing error.
func nearestWord(word string, candidates []string) string {
	if len(word) > 40 {
		return ""
	}
	found, least := "", 1+max(1, (len(word)+2)/3)
	for _, c := range candidates {
		if d := EditDistance(strings.ToLower(word), c); d < least {
			found, least = c, d
		}
	}
	return found
}

func didYouMean(word string, candidates []string) string {
	if near := nearestWord(word, candidates); near != "" {
		return fmt.Sprintf("; %s %q?", nearWord, near)
	}
	return ""
}

// EditDistance counts the bytes to insert, delete or replace that lead from a
// to b.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// quoteShort shows input of any length and content.
func quoteShort(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.Quote(s)
}

// orWords joins words as "a, b or c".
func orWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
