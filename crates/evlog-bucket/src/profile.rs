//! A profile of the AWS command line: what its two files say about credentials, region and endpoint. Touches no file.

/// Members that are taken from a profile, with the names that they have in the environment.
const TAKEN: [(&str, &str); 5] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
];

/// Members by which a profile gets credentials from a program or a service.
const INDIRECT: [&str; 6] =
    ["credential_process", "sso_session", "sso_start_url", "role_arn", "web_identity_token_file", "login_session"];

/// The text of the two files; empty if there is no such file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// `~/.aws/config`, where a profile `NAME` begins with `[profile NAME]`.
    pub config: String,
    /// `~/.aws/credentials`, where it begins with `[NAME]`.
    pub credentials: String,
}

/// The settings of a profile, named as in the environment; `None` if neither file has it. Fails, with a sentence, if its
/// credentials are to be got from a program or a service.
pub fn settings(profile: &str, files: &Files) -> Result<Option<Vec<(String, String)>>, String> {
    let headers = if profile == "default" {
        vec!["default".to_string(), "profile default".to_string()]
    } else {
        vec![format!("profile {profile}")]
    };
    let config = section(&files.config, &headers);
    let credentials = section(&files.credentials, &[profile.to_string()]);
    if config.is_none() && credentials.is_none() {
        return Ok(None);
    }
    // For a member that both have, the file of credentials counts.
    let members: Vec<(&str, &str)> = credentials.into_iter().chain(config).flatten().collect();
    let member = |name: &str| members.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
    if member("aws_access_key_id").is_none()
        && let Some(indirect) = INDIRECT.iter().find(|name| member(name).is_some())
    {
        return Err(format!(
            "the profile `{profile}` gets its credentials by `{indirect}`, which evlog does not follow. Put them into the \
             environment: `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`"
        ));
    }
    let taken = |(name, setting): &(&str, &str)| Some(((*setting).to_string(), member(name)?.to_string()));
    Ok(Some(TAKEN.iter().filter_map(taken).collect()))
}

/// The members of the sections with these headers; `None` if there is none.
fn section<'t>(text: &'t str, headers: &[String]) -> Option<Vec<(&'t str, &'t str)>> {
    let (mut members, mut is_within) = (None, false);
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            let header = header.0.split_whitespace().collect::<Vec<_>>().join(" ");
            is_within = headers.contains(&header);
            if is_within {
                members.get_or_insert_with(Vec::new);
            }
        } else if is_within
            // Indented lines belong to a member of their own, as `s3 =` has them.
            && !is_nested
            && !line.starts_with(['#', ';'])
            && let (Some((name, value)), Some(members)) = (line.split_once('='), members.as_mut())
        {
            members.push((name.trim(), value.trim()));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let config = "[default]\nregion = eu-west-1\n\n[profile  audit]\nregion=eu-north-1\ns3 =\n  endpoint_url = http://nested\n\
                      endpoint_url = https://store.example\n# region = x\n[profile sso]\nsso_session = corp\nregion = us-east-1\n";
        let credentials = "[default]\naws_access_key_id = A1\naws_secret_access_key = S=1==\n[audit]\naws_access_key_id=A2\n\
                           aws_secret_access_key=S2\naws_session_token = T2\n";
        Files { config: config.into(), credentials: credentials.into() }
    }

    fn of(profile: &str) -> Vec<String> {
        let found = settings(profile, &files()).unwrap().unwrap();
        found.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_profile_has_what_both_files_say_of_it() {
        assert_eq!(of("default"), ["AWS_ACCESS_KEY_ID=A1", "AWS_SECRET_ACCESS_KEY=S=1==", "AWS_REGION=eu-west-1"]);
        let audit = of("audit");
        assert_eq!(audit[..3], ["AWS_ACCESS_KEY_ID=A2", "AWS_SECRET_ACCESS_KEY=S2", "AWS_SESSION_TOKEN=T2"]);
        assert_eq!(audit[3..], ["AWS_REGION=eu-north-1", "AWS_ENDPOINT_URL=https://store.example"]);
    }

    #[test]
    fn a_profile_that_is_in_neither_file_is_none_and_its_name_is_not_matched_in_part() {
        for profile in ["aud", "audit2", "profile", "profile audit", ""] {
            assert_eq!(settings(profile, &files()), Ok(None), "{profile}");
        }
        assert_eq!(settings("default", &Files::default()), Ok(None));
    }

    #[test]
    fn a_profile_whose_credentials_come_from_elsewhere_is_refused_with_a_way_on() {
        let refused = settings("sso", &files()).unwrap_err();
        assert!(refused.contains("`sso_session`") && refused.contains("--profile sso"), "{refused}");
    }
}
