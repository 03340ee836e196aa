//! What is done, and what must be answered.

/// One thing that happens to a role, and what programs then say.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) title: &'static str,
    /// The command that changes the registry.
    pub(super) change: DemoChange,
    /// What is asked then.
    pub(super) asks: Vec<Ask>,
}

/// A change of the registry.
#[derive(Debug)]
pub(super) struct DemoChange {
    pub(super) command: &'static str,
    /// The name that a running process keeps asking for, and the addresses it must see.
    pub(super) name: &'static str,
    pub(super) addresses: &'static [&'static str],
}

/// A program that asks, and what it must print.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) command: String,
    pub(super) prints: String,
}

fn ask(command: impl Into<String>, prints: impl Into<String>) -> Ask {
    Ask {
        command: command.into(),
        prints: prints.into(),
    }
}

fn change(
    command: &'static str,
    name: &'static str,
    addresses: &'static [&'static str],
) -> DemoChange {
    DemoChange {
        command,
        name,
        addresses,
    }
}

/// All of them. A web server with this page is on this port of 127.0.0.1.
pub(super) fn steps(port: u16, page: &str) -> Vec<Step> {
    vec![
        Step {
            title: "A machine takes a role",
            change: change(
                "redis-cli HSET cloudhosts db-master 10.0.0.5",
                "db-master",
                &["10.0.0.5"],
            ),
            asks: vec![ask(
                "getent ahosts db-master",
                "10.0.0.5        STREAM db-master\n10.0.0.5        DGRAM  \n10.0.0.5        RAW    \n",
            )],
        },
        Step {
            title: "The role moves",
            change: change(
                "redis-cli HSET cloudhosts db-master 10.0.0.6",
                "db-master",
                &["10.0.0.6"],
            ),
            asks: vec![
                ask(
                    "python3 -c 'import socket; print(socket.gethostbyname(\"db-master\"))'",
                    "10.0.0.6\n",
                ),
                ask("getent hosts 10.0.0.6", "10.0.0.6        db-master\n"),
            ],
        },
        Step {
            title: "A farm of three, each member in a field of its own",
            change: change(
                "redis-cli HSET cloudhosts web/a 10.0.1.1 web/b 10.0.1.2 web/c 10.0.1.3",
                "web",
                &["10.0.1.1", "10.0.1.2", "10.0.1.3"],
            ),
            asks: vec![ask(
                "getent ahostsv4 web | awk '/STREAM/ {print $1}' | sort | xargs",
                "10.0.1.1 10.0.1.2 10.0.1.3\n",
            )],
        },
        Step {
            title: "A real server, opened by the name of its role",
            change: change(
                "redis-cli HSET cloudhosts shop 127.0.0.1",
                "shop",
                &["127.0.0.1"],
            ),
            asks: vec![ask(
                format!("curl -sS --noproxy '*' http://shop:{port}/"),
                page,
            )],
        },
        Step {
            title: "An alias points at another role",
            change: change("redis-cli HSET cloudhosts www shop", "www", &["127.0.0.1"]),
            asks: vec![ask("getent hosts www", "127.0.0.1       shop www\n")],
        },
        Step {
            title: "A wildcard answers for all names below it",
            change: change(
                "redis-cli HSET cloudhosts '*.apps.internal' fd00::7",
                "blue.apps.internal",
                &["fd00::7"],
            ),
            asks: vec![ask(
                "getent hosts blue.apps.internal",
                "fd00::7         blue.apps.internal\n",
            )],
        },
        Step {
            title: "The role is given up",
            change: change("redis-cli HDEL cloudhosts db-master", "db-master", &[]),
            asks: vec![ask(
                "getent hosts db-master || echo not found",
                "not found\n",
            )],
        },
    ]
}
