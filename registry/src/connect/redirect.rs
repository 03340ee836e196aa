//! Where a Redis Cluster has a key, as its nodes say it.

use cloudhosts_config::Endpoint;

/// The reply MOVED, or ASK: the node that has the slot of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// Empty: the host that was asked.
    host: String,
    port: u16,
    /// The slot is being moved there (ASK): until that is done, each request has to be announced.
    asking: bool,
}

/// A node of a cluster that was named by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    /// Whether each request has to be announced there (ASKING).
    pub(crate) asking: bool,
}

impl Redirect {
    /// Reads `MOVED 3999 10.0.0.1:6381`, `ASK 3999 :6381` and the like. None where no node is named.
    pub(crate) fn parse(code: &str, text: &str) -> Option<Redirect> {
        let asking = match code {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let address = text.split_ascii_whitespace().nth(1)?;
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        (host != "?").then(|| Redirect {
            host: host.to_owned(),
            port,
            asking,
        })
    }

    /// The node, which is reached as the one that named it: with TLS or without, and as the same user.
    pub(crate) fn from(&self, named_by: &Endpoint) -> Option<Node> {
        let endpoint = named_by.elsewhere(&self.host, self.port)?;
        Some(Node {
            endpoint,
            asking: self.asking,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_as_the_one_that_named_it() {
        let named_by = Endpoint::parse("rediss://u:p@10.0.0.1:7000").unwrap();
        let node = |code: &str, text: &str| {
            let node = Redirect::parse(code, text)?.from(&named_by)?;
            assert_eq!(node.endpoint.username.as_deref(), Some("u"));
            Some((node.endpoint.to_string(), node.asking))
        };
        let at = |url: &str, asking| Some((url.to_owned(), asking));
        assert_eq!(
            node("MOVED", "7 10.0.0.2:7001"),
            at("rediss://10.0.0.2:7001", false)
        );
        assert_eq!(
            node("ASK", "7 h.example:7001"),
            at("rediss://h.example:7001", true)
        );
        assert_eq!(
            node("MOVED", "7 :7001"),
            at("rediss://10.0.0.1:7001", false)
        );
        assert_eq!(
            node("MOVED", "7 fe80::1:7001"),
            at("rediss://[fe80::1]:7001", false)
        );
        for text in ["", "7", "7 h", "7 h:", "7 h:0", "7 h:99999", "7 ?:7001"] {
            assert_eq!(node("MOVED", text), None, "{text}");
        }
        assert_eq!(node("ERR", "7 h:1"), None);
    }
}
