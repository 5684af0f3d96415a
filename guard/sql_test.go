package guard

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// shell is a driver of database/sql as small as this test needs: each connection is a process sqlite3 that
// is written statements and read rows from. So the statements are judged by a real database.
type shell struct{ path string }

// session is a connection, and statements and transactions on it.
type session struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func (s shell) Driver() driver.Driver                        { return nil }
func (s shell) Connect(context.Context) (driver.Conn, error) { return s.open() }
func (c *session) Prepare(string) (driver.Stmt, error)       { return nil, errors.ErrUnsupported }
func (c *session) Begin() (driver.Tx, error)                 { _, err := c.run("BEGIN IMMEDIATE", nil); return c, err }
func (c *session) Commit() error                             { _, err := c.run("COMMIT", nil); return err }
func (c *session) Rollback() error                           { _, err := c.run("ROLLBACK", nil); return err }
func (c *session) Close() error                              { return errors.Join(c.in.Close(), c.process.Wait()) }

func (s shell) open() (driver.Conn, error) {
	p := exec.Command("sqlite3", "-batch", "-noheader", s.path)
	in, err := p.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.Stderr = p.Stdout
	if err := p.Start(); err != nil {
		return nil, err
	}
	c := &session{p, in, bufio.NewReader(out)}
	_, err = c.run(".timeout 10000", nil)
	return c, err
}

// run runs a statement and gives its rows, columns separated by bars.
func (c *session) run(query string, args []driver.NamedValue) ([]string, error) {
	for _, a := range args {
		value := fmt.Sprint(a.Value)
		if text, ok := a.Value.(string); ok {
			value = "'" + strings.ReplaceAll(text, "'", "''") + "'"
		}
		query = strings.Replace(query, "?", value, 1)
	}
	if !strings.HasPrefix(query, ".") {
		query += ";"
	}
	if _, err := io.WriteString(c.in, query+"\n.print --done--\n"); err != nil {
		return nil, err
	}
	var rows []string
	for {
		line, err := c.out.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimSuffix(line, "\n"); line == "--done--" {
			return rows, nil
		}
		if strings.Contains(line, "rror") {
			rest, err := c.out.ReadString('\n')
			return nil, errors.Join(fmt.Errorf("sqlite3: %s (%s)", line, strings.TrimSpace(rest)), err)
		}
		rows = append(rows, line)
	}
}

func (c *session) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if _, err := c.run(query, args); err != nil {
		return nil, err
	}
	rows, err := c.run("SELECT changes()", nil)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(rows[0])
	return driver.RowsAffected(n), err
}

func (c *session) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	list, err := c.run(query, args)
	columns, _, _ := strings.Cut(strings.TrimPrefix(query, "SELECT "), " FROM ")
	return &rows{strings.Split(columns, ", "), list}, err
}

// rows are what a query gave.
type rows struct {
	columns []string
	list    []string
}

func (r *rows) Columns() []string { return r.columns }
func (r *rows) Close() error      { return nil }
func (r *rows) Next(dest []driver.Value) error {
	if len(r.list) == 0 {
		return io.EOF
	}
	for i, v := range strings.Split(r.list[0], "|") {
		dest[i] = v
	}
	r.list = r.list[1:]
	return nil
}

// database opens a database with a table of tokens and one that they guard.
func database(t *testing.T) *sql.DB {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs sqlite3: run apt-get install sqlite3")
		}
		t.Skip("needs sqlite3: run apt-get install sqlite3")
	}
	db := sql.OpenDB(shell{filepath.Join(t.TempDir(), "db")})
	t.Cleanup(func() { _ = db.Close() })
	if err := (SQL{}).Create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE account (balance BIGINT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO account VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	return db
}

// deposit writes under a token.
func deposit(db *sql.DB, t Token, balance int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if err := (SQL{}).Check(context.Background(), tx, t); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if _, err := tx.Exec("UPDATE account SET balance = ?", balance); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func balance(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT balance FROM account").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestThePausedHolderOfADatabase(t *testing.T) {
	db := database(t)
	if err := errors.Join(deposit(db, Token{"it's", 33, false}, 1), deposit(db, Token{"it's", 33, false}, 2), deposit(db, Token{"it's", 34, false}, 3)); err != nil {
		t.Fatal(err)
	}
	var stale *Stale
	if err := deposit(db, Token{"it's", 33, false}, 4); !errors.As(err, &stale) || stale.Greatest != 34 {
		t.Errorf("the paused holder: %v", err)
	}
	if n := balance(t, db); n != 3 {
		t.Errorf("the balance is %d", n)
	}
	if err := deposit(db, Token{"another", 5, false}, 5); err != nil {
		t.Errorf("another lock: %v", err)
	}
}

// TestATokenThatIsRolledBackWasNotSeen: the token and what is written under it are one transaction.
func TestATokenThatIsRolledBackWasNotSeen(t *testing.T) {
	db := database(t)
	if err := deposit(db, Token{"x", 1, false}, 1); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join((SQL{}).Check(t.Context(), tx, Token{"x", 9, false}), tx.Rollback()); err != nil {
		t.Fatal(err)
	}
	if err := deposit(db, Token{"x", 1, false}, 2); err != nil || balance(t, db) != 2 {
		t.Errorf("%v, the balance is %d", err, balance(t, db))
	}
}

// TestSQLAgainstTheRule compares the statements with the rule, for exclusive and shared tokens.
func TestSQLAgainstTheRule(t *testing.T) {
	db := database(t)
	var s seen
	for i, token := range []Token{
		{"x", 5, true}, {"x", 4, true}, {"x", 5, false}, {"x", 4, false}, {"x", 7, false}, {"x", 6, true}, {"x", 7, true}, {"x", 7, false}, {"x", 9, true},
		{"x", 8, true}, {"x", 8, false}, {"x", 7, false}, {"x", 9, false}, {"x", 10, false}, {"x", 10, true}, {"x", 9, true},
	} {
		err := deposit(db, token, i)
		if want := s.stale(token); errors.Is(err, ErrStale) != want || err != nil && !want {
			t.Errorf("%v after %+v: %v", token, s, err)
		}
		if !s.stale(token) {
			s = s.with(token)
		}
	}
}

// TestATransactionIsNotOvertaken: one under a greater token waits until the former owner's is over.
func TestATransactionIsNotOvertaken(t *testing.T) {
	db := database(t)
	old, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := (SQL{}).Check(t.Context(), old, Token{"x", 1, false}); err != nil {
		t.Fatal(err)
	}
	after := make(chan error)
	go func() { after <- deposit(db, Token{"x", 2, false}, 2) }()
	if _, err := old.Exec("UPDATE account SET balance = 1"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-after:
		t.Fatalf("overtaken: %v", err)
	default:
	}
	if err := errors.Join(old.Commit(), <-after); err != nil {
		t.Fatal(err)
	}
	if n := balance(t, db); n != 2 {
		t.Errorf("the balance is %d", n)
	}
}

func TestStatements(t *testing.T) {
	q, err := SQL{Table: "ops.tokens", Numbered: true}.query("UPDATE TABLE_NAME SET a = ? WHERE b = ?")
	if err != nil || q != "UPDATE ops.tokens SET a = $1 WHERE b = $2" {
		t.Errorf("%q, %v", q, err)
	}
	if err := (SQL{Table: "x; DROP TABLE y"}).Create(t.Context(), nil); err == nil {
		t.Error("a table may have any name")
	}
	if err := (SQL{}).Check(t.Context(), nil, Token{"x", 1 << 63, false}); err == nil {
		t.Error("a number may be above a BIGINT")
	}
}
