//! The text of rules and of hosts: what is read reads itself, and means what it says.

use cofferdam_egress::{Host, Rules};
use cofferdam_policy::NetworkRule;

/// One input.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(rule) = text.parse::<NetworkRule>() {
        assert_eq!(rule.to_string().parse(), Ok(rule.clone()));
        let rules = Rules::new(vec![rule.clone()], vec![rule]);
        if let Some(host) = text
            .split([':', ' '])
            .next()
            .and_then(|text| Host::parse(text).ok())
        {
            let _ = rules.connect(&host, 443, false);
            let _ = rules.request(&host, 443, "GET", text);
        }
    }
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()), Ok(host.clone()));
        let rule: NetworkRule = match &host {
            Host::Name(name) => name.as_str().parse().expect("a name is a rule"),
            Host::Address(address) => (*address).to_string().parse().expect("so is an address"),
        };
        // What one rule allows and the same rule denies is denied.
        let rules = Rules::new(vec![rule.clone()], vec![rule.clone()]);
        assert!(rules.lookup(&host).is_err());
        assert!(Rules::new(vec![rule], Vec::new()).lookup(&host).is_ok());
    }
}
