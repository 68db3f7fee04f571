// One run; the answer is a summary of one line.
func init() {
	reeve.OnTask(func(ctx reeve.Context, why reeve.Occasion) (string, error) {
		return "nothing to do", nil
	})
}
