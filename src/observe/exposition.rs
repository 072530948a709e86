//! A stable order for `/metrics`. The recorder keeps metrics and series in hash maps, whose order differs between
//! processes, so that two responses could not be compared.

/// Sorts metrics by name and series by labels. The buckets of a histogram keep their order.
pub(super) fn in_order(text: &str) -> String {
    let mut metrics: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        // A metric begins with its help line, or with its type line if it has no help.
        let begins = line.starts_with("# HELP ")
            || (line.starts_with("# TYPE ")
                && metrics.last().is_none_or(|metric| !metric.iter().all(|line| line.starts_with("# HELP "))));
        match metrics.last_mut() {
            Some(metric) if !begins => metric.push(line),
            _ => metrics.push(vec![line]),
        }
    }
    metrics.sort_by_key(|metric| metric[0].split(' ').nth(2));
    let mut ordered = String::with_capacity(text.len());
    for metric in metrics {
        let comments = metric.iter().take_while(|line| line.starts_with('#')).count();
        let (head, series) = metric.split_at(comments);
        let is_histogram = head.iter().any(|line| line.ends_with(" histogram"));
        let mut series: Vec<&[&str]> = series.split_inclusive(|line| !is_histogram || is_last(line)).collect();
        series.sort_unstable_by_key(|lines| lines.last().map(|line| labels(line)));
        for line in head.iter().chain(series.into_iter().flatten()) {
            ordered.push_str(line);
            ordered.push('\n');
        }
        ordered.push('\n');
    }
    ordered
}

/// Whether a line is the last of a histogram's series: the count follows the buckets and the sum.
fn is_last(line: &str) -> bool {
    line.split(['{', ' ']).next().is_some_and(|name| name.ends_with("_count"))
}

/// The line without its value.
fn labels(line: &str) -> &str {
    line.rsplit_once(' ').map_or(line, |(labels, _)| labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_metrics_and_series_are_sorted_and_buckets_keep_their_order() {
        let text = "# HELP b Second. It rises.\n# TYPE b counter\nb{x=\"2\"} 1\nb{x=\"1\"} 9\n\n\
                    # TYPE c histogram\nc_bucket{x=\"2\",le=\"1\"} 0\nc_bucket{x=\"2\",le=\"10\"} 0\nc_sum{x=\"2\"} 0\nc_count{x=\"2\"} 0\n\
                    c_bucket{x=\"1\",le=\"1\"} 0\nc_bucket{x=\"1\",le=\"10\"} 0\nc_sum{x=\"1\"} 0\nc_count{x=\"1\"} 0\n\n\
                    # HELP a First. It rises.\n# TYPE a gauge\na 1\n\n";
        let expected = "# HELP a First. It rises.\n# TYPE a gauge\na 1\n\n\
                        # HELP b Second. It rises.\n# TYPE b counter\nb{x=\"1\"} 9\nb{x=\"2\"} 1\n\n\
                        # TYPE c histogram\nc_bucket{x=\"1\",le=\"1\"} 0\nc_bucket{x=\"1\",le=\"10\"} 0\nc_sum{x=\"1\"} 0\nc_count{x=\"1\"} 0\n\
                        c_bucket{x=\"2\",le=\"1\"} 0\nc_bucket{x=\"2\",le=\"10\"} 0\nc_sum{x=\"2\"} 0\nc_count{x=\"2\"} 0\n\n";
        assert_eq!(in_order(text), expected);
        assert_eq!(in_order(expected), expected);
        assert_eq!(in_order(""), "");
    }
}
