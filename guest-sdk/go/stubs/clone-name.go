// The name of a clone that nobody named.
func init() {
	reeve.OnCloneName(func(ctx reeve.Context, clone reeve.CloneRequest) (string, error) {
		used := make(map[string]bool, len(clone.Taken))
		for _, name := range clone.Taken {
			used[name] = true
		}
		name := clone.Source + "-1"
		for used[name] {
			name += "-1"
		}
		return name, nil
	})
}
