//! Answers that are long.

use super::{farm, serving};

#[test]
fn what_is_too_long_for_udp_comes_by_tcp() {
    let (_world, server) = serving(&[("farm", &farm())]);
    let name = "farm.prod.example.com";
    // as old resolvers ask: 512 bytes, as many addresses as fit, and that there are more
    let short = server.dig(&["+noedns", "+ignore", name]);
    assert!(short.has("tc"), "{short:?}");
    assert!((400..=512).contains(&short.size), "{short:?}");
    assert!(short.answers.len() > 20, "{short:?}");
    let long = server.dig(&["+bufsize=4096", "+ignore", name]);
    assert!(long.has("tc"), "{long:?}");
    assert!((1100..=1232).contains(&long.size), "{long:?}");
    // dig asks again by TCP
    for arguments in [&[name][..], &["+tcp", name]] {
        let mut whole = server.dig(arguments);
        assert!(!whole.has("tc"), "{whole:?}");
        whole.answers.sort();
        whole.answers.dedup();
        assert_eq!(whole.answers.len(), 500);
    }
}

#[test]
fn several_questions_on_one_connection() {
    let (_world, server) = serving(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    let names = ["a.prod.example.com", "b.prod.example.com"];
    let both = server.dig(&["+tcp", "+keepopen", names[0], names[1]]);
    // the first of them is what is read
    assert_eq!(both.answers, ["A 10.0.0.1"]);
}
