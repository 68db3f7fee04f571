package reeve

import "testing"

type settings struct {
	Flag   bool     `json:"flag"`
	Number uint64   `json:"number"`
	Maybe  *uint64  `json:"maybe"`
	Real   float64  `json:"real"`
	Text   string   `json:"text"`
	Texts  []string `json:"texts"`
}

func TestConfigurationIsRead(t *testing.T) {
	read := settings{Number: 7, Text: "default"}
	ctx := Context{Config: ` {"flag": true, "maybe": 0, "real": 1.5, "texts": ["a", "b"]} `}
	if err := ctx.ParseConfig(&read); err != nil {
		t.Fatal(err)
	}
	if !read.Flag || read.Number != 7 || read.Maybe == nil || read.Real != 1.5 || read.Text != "default" || len(read.Texts) != 2 {
		t.Errorf("%+v", read)
	}
	if err := (Context{Config: `{"maybe": null}`}).ParseConfig(&read); err != nil || read.Maybe != nil {
		t.Errorf("null is none where a value is optional: %v", err)
	}
}

func TestMistakesInConfigurationAreNamed(t *testing.T) {
	for config, expected := range map[string]string{
		``:                        "it must be an object",
		`[]`:                      "it must be an object",
		`{"flag": true`:           "it is no JSON: unexpected end of JSON input",
		`{} {}`:                   "it must end after its object",
		`{"falg": true}`:          "'falg' is no key of it; there are flag, number, maybe, real, text, texts",
		`{"Flag": true}`:          "'Flag' is no key of it; there are flag, number, maybe, real, text, texts",
		`{"flag":1, "flag":1}`:    "'flag' must not be 1: cannot unmarshal number into Go value of type bool",
		`{"number":1,"number":1}`: "'number' is there twice",
		`{"text": null}`:          "'text' must not be null",
		`{"texts": ["a", null]}`:  "'texts' must not be null",
		`{"number": -1}`:          "'number' must not be -1: cannot unmarshal number -1 into Go value of type uint64",
		`{"number": 1.0}`:         "'number' must not be 1.0: cannot unmarshal number 1.0 into Go value of type uint64",
	} {
		err := Context{Config: config}.ParseConfig(&settings{})
		if err == nil || err.Error() != "the policy's configuration is not valid: "+expected {
			t.Errorf("%s: %v, not '%s'", config, err, expected)
		}
	}
}
