//! `cloudhosts gateway-token`: a new secret, and the table that lets the gateway know it by its
//! hash alone. Nothing is read or written: the table is pasted into `gateway.toml`, wherever that is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::builder::PossibleValuesParser;
use cloudhosts_config::gateway::{Token, TokenVerb};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use crate::outcome::{Failure, Outcome};
use crate::output::print;

/// What a secret begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "chg_";

/// The random bytes of a secret.
const RANDOM_BYTES: usize = 32;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The first line is for the client, and is not shown again. The rest goes into \
    /etc/cloudhosts/gateway.toml; then run systemctl reload cloudhosts-gateway.\n\n\
    Examples:\n  \
    cloudhosts gateway-token web-1 --role web --member web-1\n  \
    cloudhosts gateway-token home --role home --verb claim\n  \
    cloudhosts gateway-token ci --role 'app-*' --verb join --address 10.0.0.0/8"
)]
pub(crate) struct GatewayTokenArgs {
    /// Name of the token, for logs and as the user name
    #[arg(value_name = "NAME")]
    name: String,
    /// Roles that it may change; may be repeated
    #[arg(long = "role", value_name = "GLOB", required = true)]
    roles: Vec<String>,
    /// What it may do; may be repeated
    #[arg(
        long = "verb",
        value_name = "VERB",
        default_values = ["join", "leave", "hold"],
        value_parser = PossibleValuesParser::new(TokenVerb::ALL.map(TokenVerb::name))
    )]
    verbs: Vec<String>,
    /// Members that it may be, as a glob [default: any]
    #[arg(long, value_name = "GLOB")]
    member: Option<String>,
    /// Network of the addresses that it may register, or source for that of the request; may be
    /// repeated [default: source]
    #[arg(long = "address", value_name = "NETWORK")]
    addresses: Vec<String>,
    /// Hash that it may write to, where the gateway has several; may be repeated
    #[arg(long = "view", value_name = "KEY")]
    views: Vec<String>,
}

/// Prints a new secret, and its table. A table that the gateway would refuse is not printed.
pub(crate) fn run(args: &GatewayTokenArgs) -> Result<Outcome, Failure> {
    let secret = secret()?;
    let table = table(args, &secret);
    Token::parse(&table).map_err(|error| Failure::Usage(error.to_string()))?;
    print(&format!("secret = {secret}\n\n{table}"))?;
    Ok(Outcome::Yes)
}

fn secret() -> Result<String, Failure> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Failure::Failed("the system has no random numbers, so there is no secret".to_owned())
    })?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The table as it is pasted. What was not given is left to the defaults of the file.
fn table(args: &GatewayTokenArgs, secret: &str) -> String {
    let hash = digest(&SHA256, secret.as_bytes());
    let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let mut lines = vec![
        ("name", Some(text(&args.name))),
        ("sha256", Some(text(&hash))),
        ("roles", Some(list(&args.roles))),
        ("verbs", Some(list(&args.verbs))),
        ("member", args.member.as_deref().map(text)),
    ];
    for (key, values) in [("addresses", &args.addresses), ("views", &args.views)] {
        lines.push((key, (!values.is_empty()).then(|| list(values))));
    }
    let lines = lines
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key} = {}\n", value?)));
    format!("[[token]]\n{}", lines.collect::<String>())
}

/// Text in quotes: JSON's escapes are TOML's, which wants DEL escaped as well.
fn text(value: &str) -> String {
    Value::from(value).to_string().replace('\u{7f}', "\\u007f")
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| text(value)).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<(String, Token), String> {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: GatewayTokenArgs,
        }
        let words = std::iter::once("gateway-token").chain(words.iter().copied());
        let args = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let secret = secret().unwrap();
        let token = Token::parse(&table(&args.args, &secret)).map_err(|error| error.to_string())?;
        Ok((secret, token))
    }

    #[test]
    fn what_is_asked_for_is_what_the_gateway_reads() {
        let (secret, token) = parsed(&[
            "web-1",
            "--role",
            "web",
            "--role",
            "Shop-*",
            "--verb",
            "hold",
            "--verb",
            "claim",
            "--member",
            "web-?",
            "--address",
            "10.0.0.0/8",
            "--address",
            "source",
            "--view",
            "tricky \"\\\u{1b}\u{7f}\n",
            "--view",
            "cloudhosts",
        ])
        .unwrap();
        assert_eq!(token.sha256.0, digest(&SHA256, secret.as_bytes()).as_ref());
        assert!(token.allows_role("web") && token.allows_role("shop-1") && !token.allows_role("w"));
        assert_eq!(token.verbs, [TokenVerb::Hold, TokenVerb::Claim]);
        assert!(token.allows_member("web-1") && !token.allows_member("web-10"));
        let [inside, outside] = ["10.1.2.3", "192.0.2.1"].map(|text| text.parse().unwrap());
        assert!(token.allows_address(inside, outside) && token.allows_address(outside, outside));
        assert!(!token.allows_address(outside, inside));
        assert_eq!(token.views, ["tricky \"\\\u{1b}\u{7f}\n", "cloudhosts"]);
    }

    #[test]
    fn little_is_asked_for() {
        let (secret, token) = parsed(&["a", "--role", "web"]).unwrap();
        let other = parsed(&["a", "--role", "web"]).unwrap().0;
        assert_ne!(secret, other);
        let random = secret.strip_prefix("chg_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), RANDOM_BYTES);
        assert_eq!(token.verbs.len(), 3);
        assert!(!token.allows_verb(TokenVerb::Claim) && !token.allows_verb(TokenVerb::Release));
        let [here, there] = ["10.1.2.3", "192.0.2.1"].map(|text| text.parse().unwrap());
        assert!(token.allows_address(here, here) && !token.allows_address(there, here));
        assert!(token.allows_member("any"));
    }

    #[test]
    fn what_the_gateway_would_refuse_is_refused() {
        for words in [
            &["a b", "--role", "web"][..],
            &["a"],
            &["a", "--role", ""],
            &["a", "--role", "we b"],
            &["a", "--role", "web", "--verb", "point"],
            &["a", "--role", "web", "--member", ""],
            &["a", "--role", "web", "--address", "10.0.0.0/33"],
            &["a", "--role", "web", "--view", ""],
            &["a", "--role", "web", "--view", "a", "--view", "a"],
        ] {
            let refused = parsed(words);
            assert!(refused.is_err(), "{words:?}: {refused:?}");
        }
    }
}
