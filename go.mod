module github.com/aldaba-otp/aldaba

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/jackc/pgx/v5 v5.12.0
	github.com/nyaruka/phonenumbers v1.8.1
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/crypto v0.58.0
	golang.org/x/net v0.60.0
	golang.org/x/text v0.43.0
	modernc.org/sqlite v1.60.1
	zombiezen.com/go/sqlite v1.4.2
	github.com/rogpeppe/go-internal v1.16.0
	github.com/getkin/kin-openapi v0.152.0
)
