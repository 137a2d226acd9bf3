//! Prints the JSON schema of a policy file; this is how `schema/policy.schema.json` is made.

fn main() {
    println!("{:#}", cofferdam_policy::Policy::json_schema());
}
