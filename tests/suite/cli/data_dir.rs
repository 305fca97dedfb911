//! Which commands begin a data directory, and with it a private Redis.

use super::Shop;

#[test]
fn only_what_begins_something_makes_a_data_directory() {
    let shop = Shop::new();
    let folder = shop.folder.path().join("data");
    let refused = |line: &str, code| {
        let said = shop.fails(line, code);
        for words in [
            folder.to_str().expect("a path"),
            "--data-dir",
            "--redis-url",
        ] {
            assert!(said.contains(words), "{line}: {said}");
        }
    };
    for line in [
        "sale list",
        "sale show a",
        "sale pause a",
        "stock add a --count 1",
        "order show a-abcdfabcdfabcdfabcdf",
        "order use a-abcdfabcdfabcdfabcdf",
        "orders a",
        "feed dead a",
        "account show a",
        "wechat menu",
        "wechat show 2019010001",
    ] {
        refused(line, 1);
    }
    refused("audit a", 3);
    assert!(!folder.exists(), "a command that looks makes nothing");
    // A folder of that name may belong to something else.
    std::fs::create_dir(&folder).expect("made");
    refused("sale list", 1);
    assert!(std::fs::read_dir(&folder).expect("read").next().is_none());
    let told = || {
        let said = shop.run("sale put a --kind list").said;
        said.contains("a new private Redis begins in")
    };
    assert!(told());
    assert!(!told());
    // A machine is looked at before anything runs there.
    let fresh = Shop::new();
    assert!(fresh.json("doctor").as_array().expect("a list").len() > 3);
    shop.ok("stock add a --count 1");
}

#[test]
fn accounts_may_be_the_first_thing_in_a_data_directory() {
    let shop = Shop::new();
    shop.ok("account set q al 50");
    shop.ok("account show q al");
}
