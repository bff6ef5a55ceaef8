package volume

import (
	"fmt"
	"slices"
	"strings"
)

// setMkfs splits mkfs options into flag, value pairs; CheckMkfs judges them.
func setMkfs(o *Options, value string) string {
	words, problem := splitWords(value)
	if problem != "" {
		return problem
	}
	for i := 0; i < len(words); i++ {
		flag, arg, attached := splitFlag(words[i])
		if flag == "" {
			return fmt.Sprintf("%s is not a flag: mkfs_options are flags of mkfs with their values, such as -i 8192", quoteShort(words[i]))
		}
		if !attached && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			i++
			arg = words[i]
		}
		o.MkfsOptions = append(o.MkfsOptions, shortFlag(flag), arg)
	}
	return ""
}

// splitFlag takes -i8192 and --csum=xxhash apart.
func splitFlag(word string) (flag, arg string, attached bool) {
	switch {
	case strings.HasPrefix(word, "--") && len(word) > 2:
		return strings.Cut(word, "=")
	case strings.HasPrefix(word, "-") && len(word) > 1 && word[1] != '-':
		return word[:2], word[2:], len(word) > 2
	}
	return "", "", false
}

// splitWords splits at spaces like a shell, with quotes and backslashes and
// without any expansion.
func splitWords(s string) (words []string, problem string) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, c := range s {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			inWord, quote = true, c
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	if quote != 0 || escaped {
		return nil, "a quote is not closed"
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, "the value is empty; allowed: flags of mkfs such as -i 8192"
	}
	return words, ""
}

// CheckMkfs holds the mkfs options against the allow-list of one filesystem:
// nothing that names a device, a file, a uuid or a label, forces anything or
// only pretends. The error is ErrInvalid and names the first flag that is not
// allowed.
func (o Options) CheckMkfs(fstype string) error {
	flags := mkfsFlags(fstype)
	for i := 0; i+1 < len(o.MkfsOptions); i += 2 {
		flag, arg := o.MkfsOptions[i], o.MkfsOptions[i+1]
		problem := checkFlag(flags, flag, arg)
		if problem == "" && i > 0 && slices.Contains(everySecond(o.MkfsOptions[:i]), flag) {
			problem = flag + " is given twice"
		}
		if problem != "" {
			given := strings.Join(o.MkfsOptions, " ")
			return Errorf(ErrInvalid, "%s", optionProblem("mkfs_options", given, "for "+fstype+" "+problem))
		}
	}
	return nil
}

func everySecond(pairs []string) []string {
	var flags []string
	for i := 0; i < len(pairs); i += 2 {
		flags = append(flags, pairs[i])
	}
	return flags
}

// mkfsFlag is one flag of mkfs that takes a value, or a list of words.
type mkfsFlag struct {
	flag  string
	value valueRule
	words []wordRule
	no    string
}

func checkFlag(flags []mkfsFlag, flag, arg string) string {
	i := slices.IndexFunc(flags, func(f mkfsFlag) bool { return f.flag == flag })
	switch {
	case i < 0:
		var allowed []string
		for _, f := range flags {
			if f.no == "" {
				allowed = append(allowed, f.flag)
			}
		}
		return fmt.Sprintf("%s %s (%s)", quoteShort(flag), unknownWord, strings.Join(allowed, ", "))
	case flags[i].no != "":
		return fmt.Sprintf("%s is refused: %s", flag, flags[i].no)
	case arg == "":
		return flag + " lacks its value"
	case flags[i].words != nil:
		if problem := checkWords(flags[i].words, strings.Split(arg, ",")); problem != "" {
			return "in " + flag + " " + problem
		}
	case !flags[i].value.ok(arg):
		return fmt.Sprintf("%s %s: the value must be %s", flag, quoteShort(arg), flags[i].value.text)
	}
	return ""
}
