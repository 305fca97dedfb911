//! The operators' token: made up where none is configured, and refused where nobody can send it.

use crate::support::operator::Operator;
use crate::support::process::{ServerProcess, seckill};

#[tokio::test]
async fn a_server_without_a_token_makes_one_up_and_prints_a_line_that_works() {
    let mut tokens = Vec::new();
    for (arguments, status) in [(&[][..], 201), (&["--demo"], 200)] {
        let (server, record) = ServerProcess::apart(arguments).await;
        let printed = record.printed();
        let line = printed.lines().find(|line| line.contains("Authorization"));
        let words = shell_words(line.expect("a line"));
        let header = words
            .iter()
            .find_map(|word| word.strip_prefix("Authorization: "));
        let bearer = header.expect("a header").to_owned();
        let token = bearer
            .strip_prefix("Bearer ")
            .expect("a bearer token")
            .to_owned();
        assert!(token.len() * 4 >= 128, "{token} has too few bits");
        let url = words.last().expect("a URL");
        let path = url.strip_prefix(&format!("http://{}", server.address));
        let method = if words.contains(&"PUT".to_owned()) {
            "PUT"
        } else {
            "GET"
        };
        let body = words.iter().find(|word| word.starts_with('{'));
        let operator = Operator::new(&server.buyer, &token);
        let path = path.expect("a URL of this server");
        let reply = operator.json(method, path, body.map_or("", String::as_str));
        assert_eq!(reply.await.status, status, "{line:?}");
        assert!(!record.logged().contains(&token), "the log shows the token");
        tokens.push(token);
    }
    assert_ne!(tokens[0], tokens[1]);
}

/// The words of a line as a shell sees them: split at spaces, but not in single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, piece) in line.trim().split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn a_token_that_nobody_could_send_stops_the_start() {
    for token in ["", "two words", "grün"] {
        let set = format!("admin.token={token}");
        let output = seckill(&["serve", "--set", &set]);
        assert_eq!(output.status.code(), Some(2), "{token:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("admin.token") && said.contains("token: it"),
            "{said}"
        );
        assert!(token.is_empty() || !said.contains(token), "{said}");
    }
}
