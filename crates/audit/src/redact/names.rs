//! Names of what is secret, and tokens that show what they are.

/// Words that make a name one of a secret, also at the end of a longer word (`PGPASSWORD`).
const SECRET: [&str; 8] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "passcode",
    "credential",
];

/// Words that do so as a whole.
const WHOLE: [&str; 6] = [
    "secrets",
    "credentials",
    "authorization",
    "cookie",
    "pwd",
    "passwords",
];

/// What is before `key` where it is not one for sorting or looking something up.
const KEYS: [&str; 14] = [
    "api",
    "access",
    "private",
    "secret",
    "auth",
    "account",
    "signing",
    "encryption",
    "master",
    "license",
    "ssh",
    "service",
    "storage",
    "deploy",
];

/// Fields of HTTP whose whole value is secret.
const HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
];

/// Whether a variable, option, field or parameter of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    // The working directory.
    if name == "PWD" || name == "OLDPWD" {
        return false;
    }
    let upper = name.bytes().all(|byte| !byte.is_ascii_lowercase());
    let mut before = "";
    words(name).any(|word| {
        let is = |known: &&str| word.eq_ignore_ascii_case(known);
        let ends = |known: &&str| {
            word.len()
                .checked_sub(known.len())
                .and_then(|at| word.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(known))
        };
        let key = is(&"key") && (upper || KEYS.iter().any(|k| before.eq_ignore_ascii_case(k)));
        before = word;
        key || WHOLE.iter().any(is) || SECRET.iter().any(ends)
    })
}

/// Whether it is a field of HTTP that takes the rest of its line.
pub(super) fn is_header(name: &str) -> bool {
    HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether it is a field of HTTP whose value begins with a scheme.
pub(super) fn is_authorization(name: &str) -> bool {
    HEADERS[..2]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// The words of a name: between other characters than letters and digits, and where a capital follows a small letter.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < bytes.len() && !bytes[start].is_ascii_alphanumeric() {
            start += 1;
        }
        let from = start;
        while start < bytes.len()
            && bytes[start].is_ascii_alphanumeric()
            && !(start > from
                && bytes[start].is_ascii_uppercase()
                && bytes[start - 1].is_ascii_lowercase())
        {
            start += 1;
        }
        (start > from).then(|| &name[from..start])
    })
}

/// A kind of token: what it begins with, how many characters follow at least, and its name.
pub(super) struct Shape {
    pub prefix: &'static str,
    pub least: usize,
    pub label: &'static str,
}

const fn shape(prefix: &'static str, least: usize, label: &'static str) -> Shape {
    Shape {
        prefix,
        least,
        label,
    }
}

/// Tokens as their issuers document them.
pub(super) const SHAPES: [Shape; 34] = [
    shape("ghp_", 30, "github token"),
    shape("gho_", 30, "github token"),
    shape("ghu_", 30, "github token"),
    shape("ghs_", 30, "github token"),
    shape("ghr_", 30, "github token"),
    shape("github_pat_", 30, "github token"),
    shape("glpat-", 18, "gitlab token"),
    shape("sk-", 20, "api key"),
    shape("sk_live_", 16, "stripe key"),
    shape("sk_test_", 16, "stripe key"),
    shape("rk_live_", 16, "stripe key"),
    shape("AKIA", 16, "aws key id"),
    shape("ASIA", 16, "aws key id"),
    shape("xoxa-", 10, "slack token"),
    shape("xoxb-", 10, "slack token"),
    shape("xoxe-", 10, "slack token"),
    shape("xoxp-", 10, "slack token"),
    shape("xoxr-", 10, "slack token"),
    shape("xoxs-", 10, "slack token"),
    shape("xapp-", 10, "slack token"),
    shape("npm_", 30, "npm token"),
    shape("pypi-AgE", 30, "pypi token"),
    shape("AIza", 35, "google key"),
    shape("ya29.", 20, "google token"),
    shape("hf_", 30, "huggingface token"),
    shape("dop_v1_", 40, "digitalocean token"),
    shape("shpat_", 30, "shopify token"),
    shape("SG.", 40, "sendgrid key"),
    shape("lin_api_", 30, "linear key"),
    shape("dckr_pat_", 20, "docker token"),
    shape("glsa_", 30, "grafana token"),
    shape("hvs.", 20, "vault token"),
    shape("AGE-SECRET-KEY-1", 40, "age key"),
    // A JSON Web Token (RFC 7519); its two dots are looked for.
    shape("eyJ", 30, "jwt"),
];

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn names() {
        for name in [
            "PASSWORD",
            "password",
            "PGPASSWORD",
            "MYSQL_PWD",
            "GITHUB_TOKEN",
            "access-token",
            "accessToken",
            "clientSecret",
            "API_KEY",
            "apiKey",
            "x-api-key",
            "KEY",
            "DEPLOY_KEY_2",
            "aws_secret_access_key",
            "Authorization",
            "Cookie",
            "secrets",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "key",
            "sortKey",
            "max_tokens",
            "tokenizer",
            "PATH",
            "keyboard",
            "monkey",
            "secretary",
            "",
            "--",
            "passwordless",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
