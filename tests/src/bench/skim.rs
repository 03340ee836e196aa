//! Finds where the answers in a stream of RESP end, without keeping them.

/// How many bytes of each answer are kept: enough for a push, and for the head of an array.
const HEAD: usize = 128;

/// What of a stream has come so far.
#[derive(Debug, Default)]
pub struct Skim {
    /// Values that the answer still wants; none between two answers.
    wanted: u64,
    /// Bytes of a text that are still to come, with the end of its line.
    text: usize,
    /// The beginning of a line that has not come whole.
    line: Vec<u8>,
    head: Vec<u8>,
}

impl Skim {
    /// Takes bytes in, and tells of each answer that is whole now: how it begins.
    pub fn feed(&mut self, mut bytes: &[u8], mut whole: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            if self.wanted == 0 {
                self.wanted = 1;
                self.head.clear();
            }
            if self.text > 0 {
                let taken;
                (taken, bytes) = bytes.split_at(self.text.min(bytes.len()));
                self.keep(taken);
                self.text -= taken.len();
                if self.text == 0 {
                    self.wanted -= 1;
                }
            } else {
                let end = bytes.iter().position(|&byte| byte == b'\n');
                let taken;
                (taken, bytes) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                self.keep(taken);
                if self.line.is_empty() && end.is_some() {
                    self.header(taken);
                } else {
                    self.line.extend_from_slice(taken);
                    if end.is_none() {
                        return;
                    }
                    let line = std::mem::take(&mut self.line);
                    self.header(&line);
                }
            }
            if self.wanted == 0 {
                whole(&self.head);
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
    }

    fn header(&mut self, line: &[u8]) {
        let (kind, rest) = line.split_first().expect("a line ends in something");
        let count = number(rest).unwrap_or(-1);
        // none is -1, in RESP2
        let count = u64::try_from(count).ok();
        match (kind, count) {
            (b'*' | b'>' | b'~', Some(count)) => self.wanted += count,
            (b'%', Some(count)) => self.wanted += 2 * count,
            // attributes come before the value that is wanted
            (b'|', Some(count)) => self.wanted += 2 * count + 1,
            (b'$' | b'=' | b'!', Some(count)) => {
                self.text = usize::try_from(count).expect("it fits into memory") + 2;
                return;
            }
            _ => {}
        }
        self.wanted -= 1;
    }
}

/// The number in a line behind its first letter.
pub fn number(rest: &[u8]) -> Option<i64> {
    std::str::from_utf8(rest.trim_ascii_end())
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_end_however_they_are_cut() {
        let answers: [&[u8]; 9] = [
            b"+OK\r\n",
            b"-ERR nothing\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"*0\r\n",
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$14\r\ncloudhosts:log\r\n",
            b"*2\r\n:10\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n",
            b"%2\r\n+a\r\n:1\r\n+b\r\n_\r\n",
            b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
        ];
        let stream = answers.concat();
        for size in [1, 2, 3, 7, stream.len()] {
            let (mut skim, mut heads) = (Skim::default(), Vec::new());
            for chunk in stream.chunks(size) {
                skim.feed(chunk, |head| heads.push(head.to_vec()));
            }
            assert_eq!(heads, answers, "in pieces of {size}");
        }
    }

    #[test]
    fn of_a_long_answer_the_beginning_is_kept() {
        let mut skim = Skim::default();
        let answer = format!("*2\r\n:7\r\n${}\r\n{}\r\n", 100_000, "x".repeat(100_000));
        let mut heads = Vec::new();
        skim.feed(answer.as_bytes(), |head| heads.push(head.to_vec()));
        assert_eq!(heads.len(), 1);
        assert_eq!(heads[0], answer.as_bytes()[..HEAD]);
    }
}
