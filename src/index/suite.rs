//! Tests that every index implementation must pass.

/// Makes a test module for the index that `$new` returns together with a guard that must live as long (a directory).
macro_rules! index_suite {
    ($name:ident, $new:expr) => {
        mod $name {
            use crate::index::{Index, KEY_MAX_BYTES, ROW_MAX_BYTES};
            use crate::machine::rows::{Key, PAGE_ROWS, Rows, Table, Write};
            use crate::model::{Day, Month, Position};

            const MONDAY: Table = Table::Messages(Day(20_000));
            const TUESDAY: Table = Table::Messages(Day(20_001));

            fn key(table: Table, bytes: &[u8]) -> Key {
                Key { table, bytes: bytes.to_vec() }
            }

            fn put(table: Table, bytes: &[u8], row: &[u8]) -> Write {
                Write::Put(key(table, bytes), row.to_vec())
            }

            fn keys(rows: &dyn Rows, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<Vec<u8>> {
                rows.scan(table, prefix, from, limit).unwrap().into_iter().map(|(key, _)| key).collect()
            }

            #[test]
            fn an_empty_index_has_no_rows_and_position_0() {
                let (index, _guard) = $new;
                assert_eq!(index.applied(), Position(0));
                assert_eq!(index.get(&key(Table::State, b"a")).unwrap(), None);
                assert_eq!(index.scan(MONDAY, b"", b"", 10).unwrap(), vec![]);
            }

            #[test]
            fn a_row_has_the_value_of_the_last_write() {
                let (mut index, _guard) = $new;
                index.write(&[put(Table::State, b"a", b"1"), put(Table::State, b"a", b"2")], Position(1)).unwrap();
                assert_eq!(index.get(&key(Table::State, b"a")).unwrap(), Some(b"2".to_vec()));
                index.write(&[Write::Delete(key(Table::State, b"a"))], Position(2)).unwrap();
                assert_eq!(index.get(&key(Table::State, b"a")).unwrap(), None);
                assert_eq!(index.applied(), Position(2));
            }

            #[test]
            fn writing_a_batch_twice_is_harmless() {
                let (mut index, _guard) = $new;
                let batch = [
                    put(Table::State, b"a", b"1"),
                    Write::Delete(key(Table::State, b"b")),
                    Write::DropTable(TUESDAY),
                    put(MONDAY, b"", b"an empty key is a key"),
                ];
                index.write(&batch, Position(7)).unwrap();
                index.write(&batch, Position(7)).unwrap();
                assert_eq!(keys(&index, Table::State, b"", b"", 10), [b"a"]);
                assert_eq!(index.get(&key(MONDAY, b"")).unwrap().unwrap(), b"an empty key is a key");
            }

            #[test]
            fn a_scan_starts_at_from_within_the_prefix_in_byte_order() {
                let (mut index, _guard) = $new;
                for bytes in [&b"b\xff\xff"[..], b"b", b"c", b"b\x00", b"a\xff", b"b\xff"] {
                    index.write(&[put(Table::State, bytes, b"row")], Position(1)).unwrap();
                }
                let all: [&[u8]; 4] = [b"b", b"b\x00", b"b\xff", b"b\xff\xff"];
                assert_eq!(keys(&index, Table::State, b"b", b"", 10), all);
                assert_eq!(keys(&index, Table::State, b"b", b"", 2), all[..2]);
                assert_eq!(keys(&index, Table::State, b"b", b"b\x00", 10), all[1..]);
                assert_eq!(keys(&index, Table::State, b"b", b"b\x01", 10), all[2..]);
                assert_eq!(keys(&index, Table::State, b"b", b"a", 10), all, "a start before the prefix is the prefix");
                assert!(keys(&index, Table::State, b"b", b"c", 10).is_empty());
                assert!(keys(&index, Table::State, b"b", b"", 0).is_empty());
                assert_eq!(keys(&index, Table::State, b"", b"", 10).len(), 6);
            }

            #[test]
            fn a_page_is_limited_and_the_next_continues_after_its_last_row() {
                let (mut index, _guard) = $new;
                let writes: Vec<Write> =
                    (0..PAGE_ROWS as u32 + 3).map(|n| put(MONDAY, &n.to_be_bytes(), b"row")).collect();
                index.write(&writes, Position(1)).unwrap();
                let page = keys(&index, MONDAY, b"", b"", usize::MAX);
                assert_eq!(page.len(), PAGE_ROWS);
                let mut next = page.last().unwrap().clone();
                next.push(0);
                assert_eq!(keys(&index, MONDAY, b"", &next, PAGE_ROWS).len(), 3);
            }

            #[test]
            fn tables_are_separate_and_are_dropped_whole() {
                let (mut index, _guard) = $new;
                let tables =
                    [Table::State, MONDAY, TUESDAY, Table::Idempotency(Day(20_000)), Table::Contacts(Month(671))];
                for (n, table) in tables.into_iter().enumerate() {
                    index.write(&[put(table, b"key", &[n as u8])], Position(1)).unwrap();
                }
                for (n, table) in tables.into_iter().enumerate() {
                    assert_eq!(index.get(&key(table, b"key")).unwrap(), Some(vec![n as u8]));
                }
                index
                    .write(&[Write::DropTable(MONDAY), Write::DropTable(Table::Messages(Day(1)))], Position(2))
                    .unwrap();
                assert_eq!(index.get(&key(MONDAY, b"key")).unwrap(), None);
                assert_eq!(index.get(&key(TUESDAY, b"key")).unwrap(), Some(vec![2]));
                index.write(&[put(MONDAY, b"again", b"row")], Position(3)).unwrap();
                assert_eq!(keys(&index, MONDAY, b"", b"", 10), [b"again"]);
            }

            #[test]
            fn a_reader_on_another_thread_sees_writes_until_the_index_is_closed() {
                let (mut index, _guard) = $new;
                let reader = index.reader();
                index.write(&[put(TUESDAY, b"a", b"1")], Position(1)).unwrap();
                let reader = std::thread::spawn(move || {
                    assert_eq!(reader.get(&key(TUESDAY, b"a")).unwrap(), Some(b"1".to_vec()));
                    assert_eq!(keys(&*reader, TUESDAY, b"", b"", 10), [b"a"]);
                    reader
                });
                let reader = reader.join().unwrap();
                Box::new(index).close().unwrap();
                assert!(reader.get(&key(TUESDAY, b"a")).is_err());
                assert!(reader.scan(TUESDAY, b"", b"", 10).is_err());
            }

            #[test]
            fn starting_over_empties_the_index_for_its_readers_too() {
                let (mut index, _guard) = $new;
                let reader = index.reader();
                index.write(&[put(Table::State, b"a", b"1")], Position(9)).unwrap();
                index.start_over().unwrap();
                assert_eq!(index.applied(), Position(0));
                assert_eq!(reader.get(&key(Table::State, b"a")).unwrap(), None);
                index.write(&[put(Table::State, b"b", b"2")], Position(1)).unwrap();
                assert_eq!(reader.get(&key(Table::State, b"b")).unwrap(), Some(b"2".to_vec()));
            }

            #[test]
            fn a_too_large_row_or_key_is_refused_and_nothing_is_written() {
                let (mut index, _guard) = $new;
                let fitting = put(Table::State, &[1; KEY_MAX_BYTES], &[2; ROW_MAX_BYTES]);
                index.write(std::slice::from_ref(&fitting), Position(1)).unwrap();
                for large in [
                    put(Table::State, b"a", &[2; ROW_MAX_BYTES + 1]),
                    put(Table::State, &[1; KEY_MAX_BYTES + 1], b"row"),
                ] {
                    let why = index.write(&[put(Table::State, b"b", b""), large], Position(2)).unwrap_err().to_string();
                    assert!(why.contains("bytes in State is over"), "{why}");
                }
                assert_eq!(index.applied(), Position(1));
                assert_eq!(index.get(&key(Table::State, b"b")).unwrap(), None);
            }
        }
    };
}

index_suite!(memory, (crate::index::MemoryIndex::new(), ()));
index_suite!(sled, {
    let dir = tempfile::tempdir().unwrap();
    let owner = crate::index::Owner { journal: [7; 16], rows_version: 1 };
    (crate::index::SledIndex::open(&dir.path().join("index"), owner).unwrap().index, dir)
});
