//! Arguments of `replicant serve` that contradict each other, cannot be, or would be passed over.

use replicant_tests::process::Replicant;

/// Each is refused before anything is begun: there is not even a data folder.
fn refused(cases: &[(&[&str], &[&str])]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (arguments, said) in cases {
        let serve = ["serve", "--data", data.to_str().unwrap()];
        let ran = Replicant::new().run(serve.iter().chain(*arguments));
        ran.fails(2, said);
    }
    assert!(!data.exists());
}

const HYPARVIEW: [&str; 2] = ["--membership", "hyparview"];

#[test]
fn what_is_given_twice_is_refused() {
    let id = "ab".repeat(32);
    let same = |one: &str, by: &str| format!("{one}={id}{by}{id}");
    let rule = format!("news/** {}", same("publish", ","));
    let kind = same("price", ",");
    refused(&[
        (
            &["--join", "127.0.0.1:1", "--join", "127.0.0.1:1"],
            &["--join 127.0.0.1:1 is given twice"],
        ),
        (
            &[
                "--parameter",
                "swim.confirmations=1",
                "--parameter",
                "swim.confirmations=1",
            ],
            &["swim.confirmations is given twice"],
        ),
        (
            &["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
            &["--listen"],
        ),
        (
            &["--authority", &id, "--authority", &id],
            &["--authority", "is given twice"],
        ),
        (
            &["--topic-rule", &rule],
            &["--topic-rule", &id, "twice in publish="],
        ),
        (
            &["--topic-rule", "a publish=x"],
            &[
                "--topic-rule",
                "\"x\" behind publish=",
                "'news/** publish=any'",
            ],
        ),
        (
            &["--topic-rule", "news publish=any publish=none"],
            &["--topic-rule", "publish= is given twice"],
        ),
        (
            &["--fact-kind", &kind],
            &["--fact-kind", &id, "named twice"],
        ),
        (
            &["--fact-kind", "price=any", "--fact-kind", "price=any:1d"],
            &["--fact-kind price=any:1d", "declare it once"],
        ),
        (
            &["--api-host", "node.example", "--api-host", "Node.example"],
            &["--api-host node.example is given twice"],
        ),
    ]);
}

#[test]
fn what_would_be_passed_over_is_refused() {
    refused(&[
        (
            &[
                "--topic-rule",
                "news publish=none",
                "--topic-rule",
                "news publish=any",
            ],
            &["two --topic-rule are about news"],
        ),
        (
            &[
                "--topic-rule",
                "news/**",
                "--topic-rule",
                "news/*/eu publish=none",
            ],
            &[
                "--topic-rule news/*/eu would never count",
                "news/**",
                "before",
            ],
        ),
        (&["--dns-server", "127.0.0.1:53"], &["--dns-server"]),
        (
            &[
                &HYPARVIEW[..],
                &["--parameter", "hyparview.active_view_max=2"],
            ]
            .concat(),
            &[
                "hyparview.active_view_max=2",
                "hyparview.active_view_target=10",
                "write hyparview.active_view_max=10 or more",
            ],
        ),
        (
            &["--api-insecure-any-address"],
            &[
                "--api-insecure-any-address",
                "127.0.0.1:8080",
                "0.0.0.0:8080",
            ],
        ),
        (&["--api-host", "localhost"], &["--api-host", "without it"]),
        (
            &[&HYPARVIEW[..], &["--probe-interval-ms", "500"]].concat(),
            &["--probe-interval-ms is about swim", "--membership swim"],
        ),
        (
            &["--parameter", "hyparview.passive_view=9"],
            &[
                "hyparview.passive_view=9 is about hyparview",
                "--membership hyparview",
            ],
        ),
    ]);
}

#[test]
fn metadata_that_would_not_spread_is_refused() {
    let long = "x".repeat(257);
    refused(&[
        (&["--metadata", &long], &["--metadata has 257 bytes", "256"]),
        (
            &["--metadata", "zone=1", HYPARVIEW[0], HYPARVIEW[1]],
            &["--metadata", "--membership swim"],
        ),
    ]);
}

#[test]
fn addresses_that_nobody_reaches_are_refused_with_the_option() {
    refused(&[
        (&["--api", ""], &["--api", "127.0.0.1:8080"]),
        (&["--listen", ""], &["--listen", "127.0.0.1:8080"]),
        (&["--listen", "localhost:7"], &["--listen", "IP address"]),
        (&["--join", ""], &["--join", "HOST:PORT"]),
        (&["--advertise", ""], &["--advertise", "HOST:PORT"]),
        (&["--api-host", ""], &["--api-host", "node.example"]),
        (&["--join", "foo"], &["--join", "HOST:PORT"]),
        (
            &["--join", "http://a:1"],
            &["--join", "without a scheme", "HOST:PORT"],
        ),
        (
            &["--join", "srv:_a._tcp"],
            &["--join", "the domain is missing"],
        ),
        (&["--advertise", "foo"], &["--advertise", "HOST:PORT"]),
        (
            &["--advertise", "0.0.0.0:7"],
            &["--advertise 0.0.0.0:7", "find this machine"],
        ),
        (
            &["--advertise", "127.0.0.1:8080"],
            &["--advertise and --api are both 127.0.0.1:8080"],
        ),
        (
            &["--listen", "0.0.0.0:0"],
            &["--listen 0.0.0.0:0", "--advertise HOST:PORT"],
        ),
        (
            &["--listen", "[::]:7001"],
            &["--listen [::]:7001", "--advertise HOST:PORT"],
        ),
        (
            &["--listen", "127.0.0.1:7", "--api", "127.0.0.1:7"],
            &["--listen and --api"],
        ),
        (
            &["--discover", "--discover-group", "127.0.0.1:7"],
            &["--discover-group", "multicast"],
        ),
        (
            &["--discover", "--discover-group", "239.1.1.1:0"],
            &["--discover-group", "not 0"],
        ),
        (
            &["--join", "dns:a:1", "--dns-server", "127.0.0.1:0"],
            &["--dns-server", "a port"],
        ),
        (
            &["--api-host", "http://node.example"],
            &["--api-host", "without scheme"],
        ),
    ]);
}

#[test]
fn limits_under_which_nothing_could_be_done_are_refused() {
    refused(&[
        (
            &["--fact-kind", "price=any:1d:0"],
            &["--fact-kind price=any:1d:0", "1 to 65536"],
        ),
        (
            &["--fact-kind", "price=any:0d"],
            &["--fact-kind price=any:0d", "90s"],
        ),
        (
            &["--fact-kind", "price=any:40000d"],
            &["--fact-kind price=any:40000d", "36525d"],
        ),
    ]);
    let many: Vec<String> = (0..65).map(|number| format!("kind-{number}=any")).collect();
    let many: Vec<&str> = many.iter().flat_map(|kind| ["--fact-kind", kind]).collect();
    refused(&[(&many, &["--fact-kind is given 65 times", "at most 64"])]);
}

/// The hint stood before the error that it belongs to.
#[test]
fn an_api_that_others_reach_is_refused_with_what_to_write_instead() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--api",
        "0.0.0.0:0",
    ];
    let said = Replicant::new()
        .run(serve)
        .fails(2, &["--api 0.0.0.0:0"])
        .stderr;
    assert!(
        said.starts_with("error: --api 0.0.0.0:0 is an address"),
        "{said}"
    );
    assert!(said.contains("or add --api-insecure-any-address"), "{said}");
}

#[test]
fn a_node_that_is_to_join_only_itself_is_refused() {
    let own = ["--listen", "127.0.0.1:7009", "--join", "127.0.0.1:7009"];
    let advertised = [
        "--listen",
        "127.0.0.1:0",
        "--advertise",
        "127.0.0.1:7009",
        "--join",
        "127.0.0.1:7009",
    ];
    let said = ["--join 127.0.0.1:7009 is this node itself", "--new-cluster"];
    refused(&[(&own, &said), (&advertised, &said)]);
}
