package postgres

// Every statement bears its name in front, under which each connection
// prepares it.

const (
	sqlBegin    = `/*begin*/BEGIN`
	sqlCommit   = `/*commit*/COMMIT`
	sqlRollback = `/*rollback*/ROLLBACK`
	// The clock is read after all locks are held, so that time and order of
	// batches agree. The transaction's number serves when an answer is lost.
	sqlClock = `/*clock*/SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_current_xact_id()`
)

// The locks. An absent key is locked by a placeholder that vanishes when the
// batch does not put the record. Placeholders are inserted in the order of
// their keys and rows locked in the same order; a row that somebody deleted
// between the two statements is missed by the second, and the batch runs again.
//
// Named destinations and counters that are absent have no placeholder: most
// starts name new ones, and a placeholder costs an insert, a lock and an update.
// The commit inserts them, see absent.
const (
	sqlReserveReplays = `/*reserve_replays*/INSERT INTO replay (key)
		SELECT k FROM unnest($1::uuid[]) AS k ORDER BY k ON CONFLICT DO NOTHING`
	sqlLoadReplays = `/*load_replays*/SELECT key, fingerprint, answer, expires
		FROM replay WHERE key = ANY($1::uuid[]) ORDER BY key FOR UPDATE`

	sqlReserveHandles = `/*reserve_handles*/INSERT INTO handle (key)
		SELECT k FROM unnest($1::uuid[]) AS k ORDER BY k ON CONFLICT DO NOTHING`
	sqlLoadHandles = `/*load_handles*/SELECT ` + handleColumns + `
		FROM handle WHERE key = ANY($1::uuid[]) ORDER BY key FOR UPDATE`

	// A verification's destination never changes, so it may be read from an
	// unlocked row. $1 destinations, $2 verifications, $3 handles. One array for
	// one scan of the index costs a third of a join with a union.
	sqlDestinationsOf = `$1::uuid[]
		|| ARRAY(SELECT destination FROM verification WHERE id = ANY($2::uuid[]))
		|| ARRAY(SELECT v.destination FROM handle h JOIN verification v ON v.id = h.verification WHERE h.key = ANY($3::uuid[]))`
	sqlReserveDestinations = `/*reserve_destinations*/INSERT INTO destination (key)
		SELECT DISTINCT k FROM unnest(` + sqlDestinationsOf + `) AS k ORDER BY k ON CONFLICT DO NOTHING`
	sqlLoadDestinations = `/*load_destinations*/SELECT key, body, tenant, touched
		FROM destination WHERE key = ANY(` + sqlDestinationsOf + `) ORDER BY key FOR UPDATE`

	// The same for the commonest batches, which name nothing but destinations.
	sqlLoadNamed = `/*load_named*/SELECT key, body, tenant, touched
		FROM destination WHERE key = ANY($1::uuid[]) ORDER BY key FOR UPDATE`

	sqlLoadCounters = `/*load_counters*/SELECT ` + counterColumns + `
		FROM counter WHERE key = ANY($1::uuid[]) ORDER BY key FOR UPDATE`

	sqlReserveContacts = `/*reserve_contacts*/INSERT INTO contact (key)
		SELECT k FROM unnest($1::uuid[]) AS k ORDER BY k ON CONFLICT DO NOTHING`
	sqlLoadContacts = `/*load_contacts*/SELECT ` + contactColumns + `
		FROM contact WHERE key = ANY($1::uuid[]) ORDER BY key FOR UPDATE`

	// Verifications need no lock of their own: whoever changes one holds its
	// destination, and so does this batch. $1 verifications, $2 handles,
	// $3 destinations that were named themselves.
	sqlLoadVerifications = `/*load_verifications*/SELECT ` + verificationColumns + ` FROM verification WHERE id = ANY($1::uuid[]
		|| ARRAY(SELECT verification FROM handle WHERE key = ANY($2::uuid[]))
		|| ARRAY(SELECT unnest(live) FROM destination WHERE key = ANY($3::uuid[])))`

	sqlLoadMessages = `/*load_messages*/SELECT ` + messageColumns + `
		FROM message WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`
)

const (
	verificationColumns = `id, destination, last_sent, expires, ended, attempts, generation, sends, events, status, tenant, secret, spec, course`
	messageColumns      = `id, verification, owner, created, expires, next_at, attempt, copies, first_event, kind, tenant, channel, progress`
	destinationColumns  = `key, body, tenant, touched, live`
	handleColumns       = `key, verification, carried`
	counterColumns      = `key, value, tally`
	contactColumns      = `key, sealed, tenant, id, configured`
)

// The saves: one array of rows, or one for each column where rows are rare.
const (
	sqlSaveReplays = `/*save_replays*/INSERT INTO replay (key, fingerprint, answer, expires)
		SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::int8[])
		ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer, expires = excluded.expires`
	sqlSaveHandles = `/*save_handles*/INSERT INTO handle (` + handleColumns + `)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[])
		ON CONFLICT (key) DO UPDATE SET verification = excluded.verification, carried = excluded.carried`
	// Rows that exist are updated apart, which costs half of an upsert.
	sqlInsertDestinations = `/*insert_destinations*/INSERT INTO destination (` + destinationColumns + `)
		SELECT * FROM unnest($1::` + typeDestination + `[])`
	sqlAddDestinations = `/*add_destinations*/INSERT INTO destination (` + destinationColumns + `)
		SELECT * FROM unnest($1::` + typeDestination + `[])
		ON CONFLICT (key) DO UPDATE SET body = excluded.body, tenant = excluded.tenant, touched = excluded.touched, live = excluded.live`
	sqlSaveDestinations = `/*save_destinations*/UPDATE destination d SET body = x.body, tenant = x.tenant, touched = x.touched, live = x.live
		FROM unnest($1::` + typeDestination + `[]) AS x WHERE d.key = x.key`
	sqlInsertCounters = `/*insert_counters*/INSERT INTO counter (` + counterColumns + `)
		SELECT * FROM unnest($1::` + typeCounter + `[])`
	sqlAddCounters = `/*add_counters*/INSERT INTO counter (` + counterColumns + `)
		SELECT * FROM unnest($1::` + typeCounter + `[])
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, tally = excluded.tally`
	sqlSaveCounters = `/*save_counters*/UPDATE counter c SET value = x.value, tally = x.tally
		FROM unnest($1::` + typeCounter + `[]) AS x WHERE c.key = x.key`
	sqlSaveContacts = `/*save_contacts*/INSERT INTO contact (key, sealed, tenant, id, configured)
		SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bool[])
		ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, tenant = excluded.tenant, id = excluded.id, configured = excluded.configured`

	sqlAddVerifications = `/*add_verifications*/INSERT INTO verification (` + verificationColumns + `)
		SELECT * FROM unnest($1::` + typeVerification + `[])`
	sqlSaveVerifications = `/*save_verifications*/UPDATE verification v SET last_sent = x.last_sent, expires = x.expires, ended = x.ended,
			attempts = x.attempts, generation = x.generation, sends = x.sends, events = x.events, status = x.status, secret = x.secret,
			course = x.course
		FROM unnest($1::` + typeState + `[]) AS x WHERE v.id = x.id`
	// What a verification was started with changes once at most: when it is erased.
	sqlEraseVerifications = `/*erase_verifications*/UPDATE verification v SET spec = x.spec
		FROM unnest($1::uuid[], $2::bytea[]) AS x (id, spec) WHERE v.id = x.id`
	sqlAddMessages = `/*add_messages*/INSERT INTO message (` + messageColumns + `)
		SELECT * FROM unnest($1::` + typeMessage + `[])`
	// A message that is there already is a notice of an event that another server
	// has journaled too, which tells of it. It is as rare as for events below.
	sqlMergeMessages = `/*merge_messages*/INSERT INTO message (` + messageColumns + `)
		SELECT * FROM unnest($1::` + typeMessage + `[])
		ON CONFLICT (id) DO NOTHING`
	sqlSaveMessages = `/*save_messages*/UPDATE message m SET verification = x.verification, owner = x.owner, created = x.created,
			expires = x.expires, next_at = x.next_at, attempt = x.attempt, copies = x.copies, first_event = x.first_event, kind = x.kind,
			tenant = x.tenant, channel = x.channel, progress = x.progress
		FROM unnest($1::` + typeMessage + `[]) AS x WHERE m.id = x.id`
	// A number that is taken keeps its first event. That is so rare that batches
	// try without the clause first, which costs half as much again.
	sqlAddEvents = `/*add_events*/INSERT INTO event (` + eventColumns + `)
		SELECT * FROM unnest($1::` + typeEvent + `[])`
	sqlMergeEvents = `/*merge_events*/INSERT INTO event (` + eventColumns + `)
		SELECT * FROM unnest($1::` + typeEvent + `[])
		ON CONFLICT DO NOTHING`
	sqlSaveMark = `/*save_mark*/INSERT INTO mark VALUES ($1, $2, clock_timestamp())
		ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at`

	sqlDropReplays       = `/*drop_replays*/DELETE FROM replay WHERE key = ANY($1::uuid[])`
	sqlDropHandles       = `/*drop_handles*/DELETE FROM handle WHERE key = ANY($1::uuid[])`
	sqlDropDestinations  = `/*drop_destinations*/DELETE FROM destination WHERE key = ANY($1::uuid[])`
	sqlDropCounters      = `/*drop_counters*/DELETE FROM counter WHERE key = ANY($1::uuid[])`
	sqlDropContacts      = `/*drop_contacts*/DELETE FROM contact WHERE key = ANY($1::uuid[])`
	sqlDropVerifications = `/*drop_verifications*/DELETE FROM verification WHERE id = ANY($1::uuid[])`
	sqlDropEvents        = `/*drop_events*/DELETE FROM event WHERE verification = ANY($1::uuid[])`
	sqlDropMessages      = `/*drop_messages*/DELETE FROM message WHERE id = ANY($1::uuid[])`
)

const eventColumns = `verification, n, at, tenant, kind, dialect, actor, detail`

// The reads.
const (
	sqlVerifications = `/*verifications*/SELECT ` + verificationColumns + ` FROM verification WHERE id = ANY($1::uuid[])`
	sqlDestination   = `/*destination*/SELECT key, body, tenant, touched FROM destination WHERE key = $1 AND body IS NOT NULL`
	sqlContact       = `/*contact*/SELECT ` + contactColumns + ` FROM contact WHERE key = $1 AND sealed IS NOT NULL`
	sqlHandle        = `/*handle*/SELECT ` + handleColumns + ` FROM handle WHERE key = $1 AND verification IS NOT NULL`
	sqlEvents        = `/*events*/SELECT ` + eventColumns + ` FROM event WHERE verification = $1 ORDER BY n`

	sqlScanVerifications = `/*scan_verifications*/SELECT ` + verificationColumns + `
		FROM verification WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3::int8`
	sqlScanDestinations = `/*scan_destinations*/SELECT key, body, tenant, touched
		FROM destination WHERE key > $1 AND body IS NOT NULL ORDER BY key LIMIT $2::int8`
	sqlScanContacts = `/*scan_contacts*/SELECT ` + contactColumns + `
		FROM contact WHERE tenant = $1 AND key > $2 AND sealed IS NOT NULL ORDER BY key LIMIT $3::int8`
	sqlScanCounters = `/*scan_counters*/SELECT ` + counterColumns + `
		FROM counter WHERE key > $1 AND tally <> '' AND value IS NOT NULL ORDER BY key LIMIT $2::int8`
	sqlScanEvents = `/*scan_events*/SELECT ` + eventColumns + ` FROM event
		WHERE verification > $1 AND verification < $2 AND tenant = $3 AND kind = ANY($4::bytea[]) ORDER BY verification, n LIMIT $5::int8`
	sqlScanReplays = `/*scan_replays*/SELECT key
		FROM replay WHERE expires < $1 AND fingerprint IS NOT NULL ORDER BY expires LIMIT $2::int8`
	sqlScanJournals = `/*scan_journals*/SELECT DISTINCT ON (verification) verification, tenant
		FROM event WHERE verification > $1 AND verification < $2 ORDER BY verification LIMIT $3::int8`
	sqlScanMessages = `/*scan_messages*/SELECT ` + messageColumns + ` FROM message WHERE id > $1 ORDER BY id LIMIT $2::int8`
	sqlOrphans      = `/*orphans*/SELECT ` + messageColumns + ` FROM message m
		WHERE owner <> $1 AND NOT EXISTS (
			SELECT 1 FROM server s WHERE s.id = m.owner AND s.seen > clock_timestamp() - $2::int8 * interval '1 microsecond')
		ORDER BY id LIMIT $3::int8`

	sqlBeat  = `/*beat*/INSERT INTO server VALUES ($1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen`
	sqlAlone = `/*alone*/SELECT NOT EXISTS (
		SELECT 1 FROM server WHERE id <> $1 AND seen > clock_timestamp() - $2::int8 * interval '1 microsecond')`
	// Servers that left without a word are forgotten long after they count as dead.
	sqlLeave = `/*leave*/DELETE FROM server WHERE id = $1 OR seen < clock_timestamp() - interval '1 day'`

	sqlDocumentsVersion = `/*documents_version*/SELECT version FROM document_version`
	sqlDocuments        = `/*documents*/SELECT v.version, d.kind, d.name, d.body
		FROM document_version v LEFT JOIN document d ON true ORDER BY d.kind, d.name`
	sqlLockDocuments = `/*lock_documents*/SELECT version FROM document_version FOR UPDATE`
	sqlSaveDocuments = `/*save_documents*/INSERT INTO document SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
		ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body`
	sqlDropDocuments = `/*drop_documents*/DELETE FROM document d USING unnest($1::bytea[], $2::bytea[]) AS x (kind, name)
		WHERE d.kind = x.kind AND d.name = x.name`
	sqlNextVersion = `/*next_version*/UPDATE document_version SET version = version + 1 RETURNING version`

	sqlLockAudit = `/*lock_audit*/LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE`
	sqlAddAudit  = `/*add_audit*/INSERT INTO audit SELECT coalesce(max(n), 0) + 1, $1 FROM audit RETURNING n`
	sqlAudit     = `/*audit*/SELECT n, body FROM audit WHERE n > $1 ORDER BY n LIMIT $2::int8`
	sqlLastAudit = `/*last_audit*/SELECT coalesce(max(n), 0) FROM audit`
)

// What is asked after a lost answer, on a fresh connection without prepared
// statements, and once at the start.
const (
	sqlXactStatus = `SELECT coalesce(pg_xact_status($1::text::xid8), '')`
	sqlMark       = `SELECT coalesce((SELECT batch FROM mark WHERE writer = $1), -1)`
	sqlForget     = `DELETE FROM mark WHERE at < clock_timestamp() - interval '1 day'`
)

// statements lists what every connection prepares.
func statements() []string {
	return []string{
		sqlBegin, sqlCommit, sqlRollback, sqlClock,
		sqlReserveReplays, sqlLoadReplays, sqlReserveHandles, sqlLoadHandles,
		sqlReserveDestinations, sqlLoadDestinations, sqlLoadNamed,
		sqlLoadCounters, sqlReserveContacts, sqlLoadContacts, sqlLoadVerifications, sqlLoadMessages,
		sqlSaveReplays, sqlSaveHandles, sqlInsertDestinations, sqlAddDestinations, sqlSaveDestinations, sqlSaveCounters, sqlInsertCounters, sqlAddCounters, sqlSaveContacts,
		sqlAddVerifications, sqlSaveVerifications, sqlAddMessages, sqlMergeMessages, sqlSaveMessages, sqlAddEvents, sqlMergeEvents, sqlSaveMark,
		sqlDropReplays, sqlDropHandles, sqlDropDestinations, sqlDropCounters, sqlDropContacts,
		sqlDropVerifications, sqlDropMessages, sqlDropEvents, sqlEraseVerifications,
		sqlVerifications, sqlDestination, sqlContact, sqlHandle, sqlEvents,
		sqlScanVerifications, sqlScanDestinations, sqlScanContacts, sqlScanReplays, sqlScanCounters, sqlScanEvents, sqlScanJournals, sqlScanMessages, sqlOrphans,
		sqlBeat, sqlAlone, sqlLeave, sqlDocumentsVersion, sqlDocuments, sqlLockDocuments, sqlSaveDocuments, sqlDropDocuments, sqlNextVersion,
		sqlLockAudit, sqlAddAudit, sqlAudit, sqlLastAudit,
	}
}
