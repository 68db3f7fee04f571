//! A bounded queue that keeps the order of each subject and lets different subjects overtake each other. Pure.

use std::collections::{HashMap, VecDeque};

/// Items waiting, by subject. One item of a subject is out at a time; the next comes when it is [`done`](Self::done).
#[derive(Debug)]
pub(crate) struct SubjectQueue<T> {
    subjects: HashMap<String, VecDeque<T>>,
    ready: VecDeque<String>,
    waiting: usize,
    capacity: usize,
}

impl<T> SubjectQueue<T> {
    /// A queue for at most `capacity` waiting items.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { subjects: HashMap::new(), ready: VecDeque::new(), waiting: 0, capacity }
    }

    /// Queues an item; false when the queue is full.
    pub(crate) fn push(&mut self, subject: &str, item: T) -> bool {
        if self.waiting == self.capacity {
            return false;
        }
        self.waiting += 1;
        match self.subjects.get_mut(subject) {
            Some(items) => items.push_back(item),
            None => {
                self.subjects.insert(subject.to_owned(), VecDeque::from([item]));
                self.ready.push_back(subject.to_owned());
            }
        }
        true
    }

    /// The next item whose subject has none out, with its subject.
    pub(crate) fn pop(&mut self) -> Option<(String, T)> {
        let subject = self.ready.pop_front()?;
        let item = self.subjects.get_mut(&subject)?.pop_front()?;
        self.waiting -= 1;
        Some((subject, item))
    }

    /// The item of `subject` that was out is finished.
    pub(crate) fn done(&mut self, subject: &str) {
        match self.subjects.get(subject) {
            Some(items) if items.is_empty() => drop(self.subjects.remove(subject)),
            Some(_) => self.ready.push_back(subject.to_owned()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_within_a_subject_only() {
        let mut queue = SubjectQueue::new(5);
        for (subject, item) in [("a", 1), ("a", 2), ("b", 3), ("a", 4)] {
            assert!(queue.push(subject, item));
        }
        assert_eq!(queue.pop(), Some(("a".into(), 1)));
        assert_eq!(queue.pop(), Some(("b".into(), 3)), "b overtakes the rest of a");
        assert_eq!(queue.pop(), None, "one of each is out");
        assert!(queue.push("b", 5));
        queue.done("a");
        assert_eq!(queue.pop(), Some(("a".into(), 2)));
        queue.done("b");
        assert_eq!(queue.pop(), Some(("b".into(), 5)));
        queue.done("a");
        queue.done("b");
        assert_eq!(queue.pop(), Some(("a".into(), 4)));
        queue.done("a");
        assert_eq!(queue.pop(), None);
        assert!(queue.subjects.is_empty(), "nothing is left behind");
    }

    #[test]
    fn bounded() {
        let mut queue = SubjectQueue::new(2);
        assert!(queue.push("a", 1) && queue.push("a", 2) && !queue.push("b", 3));
        queue.pop();
        assert!(queue.push("b", 3));
    }
}
