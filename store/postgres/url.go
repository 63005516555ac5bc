package postgres

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// CheckURL tells whether a database's URL can be understood. It connects to
// nothing.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// parse reads a URL. Its errors quote no part of it: where it is broken, nobody
// can tell what of it is the password.
func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New(urlFault(err))
	}
	return config, nil
}

// urlFault says in fixed words what pgx found.
func urlFault(err error) string {
	const escaped = "; in user and password write / ? # @ : as %2F %3F %23 %40 %3A"
	var file *fs.PathError
	switch text := err.Error(); {
	case strings.Contains(text, "sslmode is invalid"):
		return "sslmode must be disable, allow, prefer, require, verify-ca or verify-full"
	case strings.Contains(text, "failed to configure TLS") && errors.As(err, &file):
		return "the file of sslrootcert, sslcert or sslkey cannot be read: " + file.Err.Error()
	case strings.Contains(text, "failed to configure TLS"):
		return "the files of sslrootcert, sslcert and sslkey cannot be used"
	case strings.Contains(text, "invalid port"):
		return "the port must be 1 to 65535" + escaped
	case strings.Contains(text, "invalid connect_timeout"):
		return "connect_timeout must be a number of seconds"
	}
	return "cannot be understood; write it like postgres://USER@HOST:5432/NAME?sslmode=verify-full" + escaped
}
