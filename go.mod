module github.com/aldaba-otp/aldaba

go 1.26.0
