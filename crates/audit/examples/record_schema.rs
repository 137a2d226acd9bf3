//! Prints the JSON schema of a record; this is how `schema/record.json` is made.

fn main() {
    println!("{:#}", cofferdam_audit::Record::json_schema());
}
