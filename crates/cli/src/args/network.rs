//! Values of the options about the network.

use cofferdam::policy::{
    NetworkRule, ParseRuleError, SecretHost, SecretHostError, SecretPlace, SecretSource,
};
use std::str::FromStr;

/// A network, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkArgument {
    /// Nothing but a loopback interface.
    None,
    /// The host's, services on its loopback interface included.
    Host,
    /// What can be reached.
    Rule(NetworkRule),
}

impl FromStr for NetworkArgument {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Hosts of these names are reached as `none.` and `host.`.
        match text {
            "none" => Ok(NetworkArgument::None),
            "host" => Ok(NetworkArgument::Host),
            _ => text.parse().map(NetworkArgument::Rule),
        }
    }
}

/// A secret, or one more host of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretArgument {
    pub name: String,
    pub source: Option<SecretSource>,
    pub place: SecretPlace,
    pub host: SecretHost,
}

/// Why a text is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ParseSecretError {
    /// Something is missing.
    #[error("write NAME@PLACE:HOST or NAME=SOURCE@PLACE:HOST, as in TOKEN@bearer:api.example.com")]
    Form,
    /// The source is none that is known.
    #[error("`{0}` is no source; write env:VARIABLE, file:PATH, command:PROGRAM or provider:NAME")]
    Source(String),
    /// The place is none that is known.
    #[error("`{0}` is no place; write bearer, basic, header=NAME or query=NAME")]
    Place(String),
    /// The host is none.
    #[error(transparent)]
    Host(#[from] SecretHostError),
}

impl FromStr for SecretArgument {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // From the right: a source may contain anything, a place and a host no `@`.
        let (what, bound) = text.rsplit_once('@').ok_or(ParseSecretError::Form)?;
        let (name, source) = match what.split_once('=') {
            Some((name, source)) => (name, Some(self::source(source)?)),
            None => (what, None),
        };
        let (place, host) = bound.split_once(':').ok_or(ParseSecretError::Form)?;
        if name.is_empty() || host.is_empty() {
            return Err(ParseSecretError::Form);
        }
        Ok(SecretArgument {
            name: name.into(),
            source,
            place: self::place(place)?,
            host: host.parse()?,
        })
    }
}

fn source(text: &str) -> Result<SecretSource, ParseSecretError> {
    match text.split_once(':') {
        Some(("env", name)) => Ok(SecretSource::Env(name.into())),
        Some(("file", path)) => Ok(SecretSource::File(path.into())),
        // Never through a shell, so there is no quoting: a program for more does it.
        Some(("command", words)) => Ok(SecretSource::Command(
            words.split_whitespace().map(String::from).collect(),
        )),
        Some(("provider", name)) => Ok(SecretSource::Provider(name.into())),
        _ => Err(ParseSecretError::Source(text.into())),
    }
}

fn place(text: &str) -> Result<SecretPlace, ParseSecretError> {
    match text.split_once('=') {
        None if text == "bearer" => Ok(SecretPlace::Bearer),
        None if text == "basic" => Ok(SecretPlace::Basic),
        Some(("header", name)) => Ok(SecretPlace::Header(name.into())),
        Some(("query", name)) => Ok(SecretPlace::Query(name.into())),
        _ => Err(ParseSecretError::Place(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretArgument {
        text.parse().expect(text)
    }

    #[test]
    fn networks() {
        let network = |text: &str| text.parse::<NetworkArgument>();
        assert_eq!(network("none"), Ok(NetworkArgument::None));
        assert_eq!(network("host"), Ok(NetworkArgument::Host));
        let rule = NetworkArgument::Rule("host".parse().expect("a rule"));
        assert_eq!(network("host."), Ok(rule));
        let error = network("https://example.com/x").expect_err("a URL");
        assert!(
            error.to_string().contains("write `example.com:443`"),
            "{error}"
        );
    }

    #[test]
    fn secrets() {
        let one = secret("TOKEN@bearer:api.example.com");
        assert_eq!(
            (one.name.as_str(), one.source, one.place),
            ("TOKEN", None, SecretPlace::Bearer)
        );
        assert_eq!(one.host.to_string(), "api.example.com:443");
        let one = secret("T=command:tool --user a@b.test print@header=X-Key:*.example.com:8443");
        let words = ["tool", "--user", "a@b.test", "print"].map(String::from);
        assert_eq!(one.source, Some(SecretSource::Command(words.into())));
        assert_eq!(one.place, SecretPlace::Header("X-Key".into()));
        assert_eq!(one.host.to_string(), "*.example.com:8443");
        for (text, source) in [
            ("env:A=B", SecretSource::Env("A=B".into())),
            ("file:./a:b", SecretSource::File("./a:b".into())),
            ("provider:p", SecretSource::Provider("p".into())),
        ] {
            assert_eq!(
                secret(&format!("T={text}@basic:a.test")).source,
                Some(source)
            );
        }
        assert_eq!(
            secret("T@query=key:a.test").place,
            SecretPlace::Query("key".into())
        );
    }

    #[test]
    fn what_is_no_secret_says_what_to_write() {
        for (text, says) in [
            ("", "NAME@PLACE:HOST"),
            ("TOKEN", "NAME@PLACE:HOST"),
            ("TOKEN=value", "NAME@PLACE:HOST"),
            ("TOKEN@bearer", "NAME@PLACE:HOST"),
            ("TOKEN@bearer:", "NAME@PLACE:HOST"),
            ("@bearer:a.test", "NAME@PLACE:HOST"),
            ("TOKEN=value@bearer:a.test", "env:VARIABLE"),
            ("TOKEN@cookie:a.test", "header=NAME"),
            ("TOKEN@bearer=x:a.test", "header=NAME"),
            ("TOKEN@bearer:https://a.test", "write `a.test:443`"),
            ("TOKEN@bearer:127.0.0.1", "bound to names"),
        ] {
            let error = text.parse::<SecretArgument>().expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
