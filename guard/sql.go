package guard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// SQL guards what a database transaction writes: a table has the greatest tokens, and a statement in the same
// transaction raises them or fails. The row stays locked until the transaction ends, so a former owner's transaction is over before one
// under a greater token goes on.
//
// It is written for databases in which a statement that updates a row waits for whoever has updated it, then looks at the row again or
// fails: PostgreSQL, MySQL, MariaDB, SQLite, SQL Server and Oracle with their default isolation, or a
// stricter one.
type SQL struct {
	// Table is the name of the table, letters, digits, underscores and dots. Default: holdfast_token.
	Table string
	// Numbered says that the driver's parameters are $1, $2, as PostgreSQL's, and not question marks.
	Numbered bool
}

// Tx is a transaction: a *sql.Tx, or a *sql.Conn on which one was begun by hand.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is what [SQL.Create] needs: a *sql.DB, *sql.Conn or *sql.Tx.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// query puts the table and the parameters' form into a statement.
func (s SQL) query(text string) (string, error) {
	table := s.Table
	if table == "" {
		table = "holdfast_token"
	}
	for _, c := range table {
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", &OpError{"use table " + table, errors.New("the name has something else than letters, digits, underscores and dots: use another table")}
		}
	}
	text = strings.ReplaceAll(text, "TABLE_NAME", table)
	for i := 1; s.Numbered && strings.Contains(text, "?"); i++ {
		text = strings.Replace(text, "?", "$"+strconv.Itoa(i), 1)
	}
	return text, nil
}

// Create makes the table if it is not there. Where a program may not do that, run
//
//	CREATE TABLE holdfast_token (lock_name VARCHAR(200) PRIMARY KEY, exclusive_token BIGINT NOT NULL, shared_token BIGINT NOT NULL, writes BIGINT NOT NULL)
//
// with a collation that tells upper from lower case.
func (s SQL) Create(ctx context.Context, db DB) error {
	q, err := s.query("CREATE TABLE IF NOT EXISTS TABLE_NAME (lock_name VARCHAR(200) PRIMARY KEY, exclusive_token BIGINT NOT NULL, shared_token BIGINT NOT NULL, writes BIGINT NOT NULL)")
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, q); err != nil {
		return &OpError{"create the table of tokens", err}
	}
	return nil
}

// Check fails if the token is stale, and otherwise makes lesser ones stale when the transaction commits. Call it first in every
// transaction that writes what the lock guards, and roll back if it fails. The error is a [*Stale], or an [*OpError] with
// what the database said: of two transactions that are the first of a lock one may fail, and is to be tried again.
func (s SQL) Check(ctx context.Context, tx Tx, t Token) error {
	if err := t.check(); err != nil {
		return err
	}
	if t.Number > math.MaxInt64 {
		return &OpError{"check token", fmt.Errorf("the number %d is above what a BIGINT holds: it is none of a lock service", t.Number)}
	}
	raised, err := s.raise(ctx, tx, t)
	if err != nil || raised {
		return err
	}
	q, err := s.query("SELECT exclusive_token, shared_token FROM TABLE_NAME WHERE lock_name = ?")
	if err != nil {
		return err
	}
	var exclusive, shared int64
	err = tx.QueryRowContext(ctx, q, t.Lock).Scan(&exclusive, &shared)
	if errors.Is(err, sql.ErrNoRows) {
		return s.begin(ctx, tx, t)
	}
	if err != nil {
		return &OpError{"read the table of tokens", err}
	}
	return &Stale{t, uint64(max(exclusive, shared))}
}

// raise raises the greatest token, if t is not stale and the lock is known. That writes grow at every
// statement makes databases count the row as changed that do not count one written as it was.
func (s SQL) raise(ctx context.Context, tx Tx, t Token) (bool, error) {
	number := int64(t.Number)
	text := "UPDATE TABLE_NAME SET exclusive_token = ?, writes = writes + 1 WHERE lock_name = ? AND exclusive_token <= ? AND shared_token < ?"
	args := []any{number, t.Lock, number, number}
	if t.Shared {
		text = "UPDATE TABLE_NAME SET shared_token = CASE WHEN shared_token < ? THEN ? ELSE shared_token END, writes = writes + 1 WHERE lock_name = ? AND exclusive_token < ?"
		args = []any{number, number, t.Lock, number}
	}
	q, err := s.query(text)
	if err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, q, args...)
	if err != nil {
		return false, &OpError{"raise the token", err}
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, &OpError{"raise the token", err}
	}
	return n > 0, nil
}

// begin makes the row of a lock.
func (s SQL) begin(ctx context.Context, tx Tx, t Token) error {
	q, err := s.query("INSERT INTO TABLE_NAME (lock_name, exclusive_token, shared_token, writes) VALUES (?, ?, ?, 1)")
	if err != nil {
		return err
	}
	first := seen{}.with(t)
	if _, err := tx.ExecContext(ctx, q, t.Lock, int64(first.Exclusive), int64(first.Shared)); err != nil {
		return &OpError{"insert into the table of tokens", err}
	}
	return nil
}
